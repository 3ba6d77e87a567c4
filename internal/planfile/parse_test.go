package planfile_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/hook"
	"github.com/canaryctl/canaryctl/internal/planfile"
)

const head = "apiVersion: canaryctl.io/v1alpha1\nkind: Plan\n"

func parse(t *testing.T, text string) planfile.Document {
	t.Helper()
	d, err := planfile.Parse([]byte(text), "plan.yaml")
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return d
}

// What is not said is as in Default.
func TestParseDefaults(t *testing.T) {
	for _, text := range []string{head, head + "metadata: {name: slow}\nspec: {}\n", head + "spec: {policy: {}, analysis: {pods: {}}}"} {
		d := parse(t, text)
		if diff := cmp.Diff(planfile.Default().Spec, d.Spec); diff != "" {
			t.Errorf("%s(-default +got):\n%s", text, diff)
		}
	}
	if diff := cmp.Diff(canary.DefaultPlan(), planfile.Default().Plan()); diff != "" {
		t.Errorf("the default plan (-want +got):\n%s", diff)
	}
}

func TestParse(t *testing.T) {
	d := parse(t, head+`
metadata:
  name: careful
spec:
  steps:
    - {header: {name: x-user, value: us}, min: 30s}
    - {weight: 5, min: 1m, max: 1h, exposure: 500}
    - {weight: 50, gate: owners, pause: true}
  ramp: {errors: 20, most: 40}
  timeout: 3h
  budget: 12.5
  policy: {doubt: rollback}
  promotion: in-place
  confirm: {start: office hours, step: office hours, promotion: owners}
  analysis:
    tolerance: 20%
    negligible: 0.001
    alpha: 0.5%
    evidenceCap: "off"
    grpcFailed: [14, INTERNAL, DeadlineExceeded]
    dispersion: 1.5
    onset: false
    warmUp: 20s
    metrics:
      - {name: errors, weight: 60%, tolerance: 5%, margin: 3, negligible: 0.01}
      - {name: latency, quantile: p99.9, weight: 0.2}
      - {name: latency, over: 250ms}
    limits:
      - {metric: errors, share: 2%}
      - {metric: latency, over: 1s, share: 0.05}
    pods: {maxRestarts: 0}
  gates:
    owners: {webhook: {url: "https://gates.example/owners", secretEnv: GATE_KEY, retries: 0}, every: 1m}
    office hours: {command: {args: [./office-hours, --tz, CET], timeout: 5s}}
  notify:
    - {slack: {urlFile: /run/secrets/slack}, on: [promoted, rolled-back]}
`)
	plan := canary.DefaultPlan()
	plan.Steps = []canary.Step{
		{Header: &canary.Header{Name: "x-user", Value: "us"}, Min: canary.Duration(30 * time.Second), Gate: "office hours"},
		{Weight: 5, Min: canary.Duration(time.Minute), Max: canary.Duration(time.Hour), Exposure: 500, Gate: "office hours"},
		{Weight: 50, Gate: "owners", Pause: true},
	}
	plan.Ramp = &canary.Ramp{Errors: 20, Most: 40}
	plan.Timeout, plan.Budget = canary.Duration(3*time.Hour), 12.5
	plan.Policy.Doubt, plan.Promotion, plan.Confirm = canary.RollBack, canary.InPlace, "owners"
	if diff := cmp.Diff(plan, d.Plan()); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}

	method, err := d.Analysis()
	if err != nil {
		t.Fatal(err)
	}
	want, own := analysis.Default(), []float64{0.05, 3, 0.01}
	want.Tolerance, want.Negligible, want.RollbackAlpha = 0.2, 0.001, 0.005
	want.Cap, want.OnsetIntervals, want.Dispersion = 0, 0, 1.5
	want.Metrics = []analysis.Metric{
		{Name: "errors", Weight: 0.6 / 2, Does: "fails", Tolerance: &own[0], Margin: &own[1], Negligible: &own[2]},
		analysis.LatencyQuantile(0.999, 0.2/2), analysis.Latency(250*time.Millisecond, 0),
		analysis.OutcomeMetric(analysis.GivenUp), analysis.OutcomeMetric(analysis.Unanswered),
	}
	want.Limits = []analysis.Limit{{Metric: "errors", Share: 0.02}, {Metric: "latency le=1", Share: 0.05}}
	want = want.Weighed()
	gate := analysis.DefaultGate()
	gate.MaxRestarts = 0
	want.Pods = &gate
	if diff := cmp.Diff(want, method, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Errorf("method (-want +got):\n%s", diff)
	}

	if got := d.Spec.Analysis.GRPCFailed; !slices.Equal(got, []planfile.GRPCStatus{"Unavailable", "Internal", "DeadlineExceeded"}) {
		t.Errorf("statuses that failed: %v", got)
	}

	none := 0
	gates := map[string]hook.Gate{
		"owners": {
			Webhook: &hook.Webhook{URL: "https://gates.example/owners", SecretEnv: "GATE_KEY", Retries: &none},
			Every:   canary.Duration(time.Minute),
		},
		"office hours": {Command: &hook.Command{Args: []string{"./office-hours", "--tz", "CET"}, Timeout: canary.Duration(5 * time.Second)}},
	}
	if diff := cmp.Diff(gates, d.Gates()); diff != "" {
		t.Errorf("gates (-want +got):\n%s", diff)
	}
	notify := []hook.Notification{{Slack: &hook.Webhook{URLFile: "/run/secrets/slack"}, On: []event.Kind{event.Promoted, event.RolledBack}}}
	if diff := cmp.Diff(notify, d.Notify()); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}
	if !d.Given("spec.policy.doubt") || !d.Given("spec.steps[1].max") || d.Given("spec.policy.timeout") {
		t.Error("it does not know what the file says")
	}
}

// A name alone stands for the promotion's gate, as in the plan itself.
func TestParseConfirm(t *testing.T) {
	d := parse(t, head+"spec: {confirm: owners, gates: {owners: {command: {args: [ask]}}}}")
	if p := d.Plan(); p.Confirm != "owners" || p.Steps[0].Gate != "" {
		t.Errorf("gates %q and %q", p.Steps[0].Gate, p.Confirm)
	}
}

// All mistakes are told at once, in the order of the file, each with its place.
func TestParseMistakes(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"syntax", head + "spec:\n  steps: [\n", []string{"plan.yaml:4:1: it is no YAML: did not find expected node content"}},
		{"empty", "", []string{"plan.yaml: it is empty"}},
		{"comment", "# later\n", []string{"plan.yaml: it is empty"}},
		{"two", head + "---\n" + head, []string{"plan.yaml:3:1: a second document begins here; one file holds one plan"}},
		{"list", "- weight: 5\n", []string{`plan.yaml:1:1: want fields with values, as "name: value", and this is a list`}},
		{"header", "apiVersion: canaryctl.io/v1\nKind: Plan\n", []string{
			`plan.yaml:1:13: apiVersion: "canaryctl.io/v1" is not canaryctl.io/v1alpha1, which is what this canaryctl reads`,
			"plan.yaml:2:1: Kind: there is no such field; did you mean kind?",
		}},
		{"everywhere", head + `
spec:
  steps:
    - wieght: 10
    - weight: 20
      min: 10
      min: 20s
    - weight: 15
      header: us
  timeout: soon
  budget: "5"
  policy:
    doubt: wait
    interrupt: hold
  colour: red
`, []string{
			"plan.yaml:6:7: spec.steps[0].wieght: there is no such field; did you mean weight?",
			`plan.yaml:8:12: spec.steps[1].min: 10 is no duration such as "90s" or "5m"`,
			"plan.yaml:9:7: spec.steps[1].min: it is there twice, first in line 8",
			"plan.yaml:10:15: spec.steps[2].weight: it gives the canary 15% of the traffic, and the step before 20%; a release goes up, and a rollback to 0",
			`plan.yaml:11:15: spec.steps[2].header: want fields with values, as "name: value", and this is the text "us"`,
			`plan.yaml:12:12: spec.timeout: "soon" is no duration such as "90s" or "5m"`,
			`plan.yaml:13:11: spec.budget: want a number, and this is the text "5"`,
			`plan.yaml:15:12: spec.policy.doubt: "wait" is none of hold, pause, rollback`,
			"plan.yaml:16:16: spec.policy.interrupt: who is told to end cannot hold; say pause or rollback",
			"plan.yaml:17:3: spec.colour: there is no such field; there are steps, ramp, timeout, proof, exposure, budget, noData, unready, policy, promotion, keepStable, confirm, analysis, gates, notify",
		}},
		{"types", head + `spec:
  steps:
    - {weight: 10.55, pause: yes, gate: 7, exposure: -1}
  ramp:
  budget: .inf
  timeout: [1h]
  proof: &sure true
  analysis: {margin: &m 2, tolerance: *m, evidenceCap: 0.5, dispersion: none, onset: "false", grpcFailed: [17, Nope, 14]}
`, []string{
			`plan.yaml:5:16: spec.steps[0].weight: 10.55 is no percentage in tenths`,
			`plan.yaml:5:30: spec.steps[0].pause: want true or false, and this is the text "yes"`,
			`plan.yaml:5:41: spec.steps[0].gate: want text, and this is the number "7"; put it in quotes: "7"`,
			`plan.yaml:5:54: spec.steps[0].exposure: want a whole number of 0 or more, and this is the number "-1"`,
			"plan.yaml:6:8: spec.ramp: there is no value; leave the field out for the default",
			`plan.yaml:7:11: spec.budget: want a number, and this is the number ".inf"`,
			`plan.yaml:8:12: spec.timeout: want a duration such as "90s", and this is a list`,
			"plan.yaml:10:39: spec.analysis.tolerance: *m stands for something elsewhere; a plan says everything where it is",
			`plan.yaml:10:56: spec.analysis.evidenceCap: "0.5" is no factor above 1, and not off`,
			`plan.yaml:10:73: spec.analysis.dispersion: "none" is not 1 or more, and not auto`,
			`plan.yaml:10:86: spec.analysis.onset: want true or false, and this is the text "false"`,
			"plan.yaml:10:108: spec.analysis.grpcFailed[0]: 17 is no gRPC status: they go from 0 to 16",
			`plan.yaml:10:112: spec.analysis.grpcFailed[1]: "Nope" is no gRPC status; they are OK, Canceled, Unknown, InvalidArgument, DeadlineExceeded, NotFound, AlreadyExists, PermissionDenied, ResourceExhausted, FailedPrecondition, Aborted, OutOfRange, Unimplemented, Internal, Unavailable, DataLoss, Unauthenticated`,
		}},
		{"gates", head + `
spec:
  steps: [{weight: 10, gate: ownres}]
  confirm: {promotion: nobody}
  gates:
    owners: {webhook: {url: "https://x.example"}, command: {args: [ask]}}
    managers: {webhook: {url: "https://x.example/?token=topsecret"}}
    spare: {command: {args: []}}
    empty: {command: {args: [ask, "\0"]}, every: -1s}
  notify:
    - {on: [promotd], slack: {url: "https://hooks.slack.com/services/T0/B0/topsecret"}}
    - {webhook: {url: "ftp://x.example"}}
    - {webhook: {urlEnv: A, urlFile: b}}
`, []string{
			`plan.yaml:5:30: spec.steps[0].gate: spec.gates has no "ownres"; did you mean owners?`,
			`plan.yaml:6:24: spec.confirm.promotion: spec.gates has no "nobody"`,
			"plan.yaml:8:13: spec.gates.owners: nobody asks this gate; name it in spec.confirm or in a step's gate",
			"plan.yaml:8:13: spec.gates.owners: a gate is a webhook or a command, one of the two",
			"plan.yaml:9:15: spec.gates.managers: nobody asks this gate; name it in spec.confirm or in a step's gate",
			"plan.yaml:9:31: spec.gates.managers.webhook.url: whoever reads the plan or the route would know the secret in it; put the URL into a file, as urlFile, or a variable, as urlEnv",
			"plan.yaml:10:12: spec.gates.spare: nobody asks this gate; name it in spec.confirm or in a step's gate",
			"plan.yaml:10:29: spec.gates.spare.command.args: it names no program",
			"plan.yaml:11:12: spec.gates.empty: nobody asks this gate; name it in spec.confirm or in a step's gate",
			"plan.yaml:11:29: spec.gates.empty.command.args: no argument can hold the character NUL",
			"plan.yaml:11:50: spec.gates.empty.every: it cannot be negative, and is -1s",
			`plan.yaml:13:13: spec.notify[0].on[0]: "promotd" is no kind of event; did you mean promoted?`,
			"plan.yaml:13:36: spec.notify[0].slack.url: whoever reads the plan or the route would know the secret in it; put the URL into a file, as urlFile, or a variable, as urlEnv",
			"plan.yaml:14:23: spec.notify[1].webhook.url: it is no URL such as https://hooks.example/release",
			"plan.yaml:15:17: spec.notify[2].webhook: say where it is: one of url, urlFile and urlEnv",
		}},
		{"analysis", head + `
spec:
  analysis:
    tolerance: 1000000%
    margin: 0.5
    alpha: 0
    onsetIntervals: 0
    warmUp: -1s
    metrics: [{name: errors, over: 1s}, {name: latency}, {name: saturation}, {name: latency, over: 1s, quantile: p95, margin: 1, weight: 120%}]
    pods: {maxRestarts: -1}
    limits: [{metric: errors, over: 1s, share: 1%}, {metric: latency, share: 5%}, {metric: pods}, {metric: errors, share: 100%, weight: -1}]
`, []string{
			"plan.yaml:6:16: spec.analysis.tolerance: tolerance 10000 is not 0 to 999",
			"plan.yaml:7:13: spec.analysis.margin: margin 0.5 is not above 1 and at most 1000",
			"plan.yaml:8:12: spec.analysis.alpha: rollback alpha 0 is not between 0 and 1",
			"plan.yaml:9:21: spec.analysis.onsetIntervals: say 1 or more, or onset: false",
			"plan.yaml:10:13: spec.analysis.warmUp: it cannot be negative, and is -1s",
			"plan.yaml:11:22: spec.analysis.metrics[0].name: errors are counted whatever time they take; over and quantile go with latency",
			"plan.yaml:11:48: spec.analysis.metrics[1].name: say from where on a request is slow: over, as 250ms, or quantile, as p95",
			`plan.yaml:11:65: spec.analysis.metrics[2].name: "saturation" is neither errors nor latency`,
			"plan.yaml:11:114: spec.analysis.metrics[3].quantile: a metric has over or quantile, not both",
			"plan.yaml:11:127: spec.analysis.metrics[3].margin: margin 1 is not above 1 and at most 1000",
			"plan.yaml:12:25: spec.analysis.pods.maxRestarts: -1 restarts cannot be let through",
			"plan.yaml:13:37: spec.analysis.limits[0].over: errors are counted whatever time they take; over goes with latency",
			"plan.yaml:13:53: spec.analysis.limits[1].over: say from where on a request is slow, as 250ms",
			`plan.yaml:13:92: spec.analysis.limits[2].metric: "pods" is neither errors nor latency`,
			"plan.yaml:13:123: spec.analysis.limits[3].share: 1 is no share above 0 and below 1 that may be bad",
			"plan.yaml:13:137: spec.analysis.limits[3].weight: it cannot be negative, and is -1",
		}},
		{"weights", head + "spec: {analysis: {metrics: [{name: errors, weight: 60%}], limits: [{metric: errors, share: 1%, weight: 30%}]}}", []string{
			"plan.yaml:3:28: spec.analysis.metrics: the weights of metrics and limits sum to 0.9, not to 1",
		}},
		{"no weight left", head + "spec: {analysis: {metrics: [{name: errors, weight: 1}], limits: [{metric: errors, share: 1%}]}}", []string{
			"plan.yaml:3:28: spec.analysis.metrics: the weights that are said sum to 1, and leave nothing for the others",
		}},
		{"what is no failure", head + "spec: {analysis: {grpcFailed: [14, 0]}}", []string{
			"plan.yaml:3:36: spec.analysis.grpcFailed[1]: OK is the status of a call that did not fail",
		}},
		{"requests without an answer", head + "spec: {analysis: {givenUp: {weight: 60%, margin: 1}, unanswered: {weight: 40%, within: -1s}}}", []string{
			"plan.yaml:3:50: spec.analysis.givenUp.margin: margin 1 is not above 1 and at most 1000",
			"plan.yaml:3:75: spec.analysis.unanswered.weight: givenUp and unanswered take 1 of alpha, and leave nothing for the metrics",
			"plan.yaml:3:88: spec.analysis.unanswered.within: it cannot be negative, and is -1s",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := planfile.Parse([]byte(test.text), "plan.yaml")
			if !errors.Is(err, planfile.ErrInvalid) {
				t.Fatalf("it is taken: %v", err)
			}
			if diff := cmp.Diff(test.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if strings.Contains(err.Error(), "topsecret") {
				t.Error("the error tells a secret")
			}
		})
	}
}

// Requests without an answer are judged unless the plan leaves them out, and the
// metrics share what they leave of alpha.
func TestRequestsWithoutAnAnswer(t *testing.T) {
	share := func(v float64) *float64 { return &v }
	for _, test := range []struct {
		analysis string
		want     []analysis.Metric
	}{
		{"{}", analysis.Default().Metrics},
		{"{givenUp: {weight: 0}, unanswered: {weight: 0}}", []analysis.Metric{{Name: "errors", Weight: 1, Does: "fails"}}},
		{"{givenUp: {weight: 10%, tolerance: 50%, negligible: 2%}, unanswered: {weight: 30%, within: 10s}, metrics: [{name: errors, weight: 50%}, {name: latency, over: 1s}]}", []analysis.Metric{
			{Name: "errors", Weight: 0.3, Does: "fails"},
			{Name: "latency le=1", Weight: 0.3, Does: "takes longer than 1s"},
			{Name: "given-up", Weight: 0.1, Does: "is given up on", Tolerance: share(0.5), Negligible: share(0.02)},
			{Name: "unanswered", Weight: 0.3, Does: "leaves requests unanswered", Negligible: share(0.01), Within: 10},
		}},
	} {
		d, err := planfile.Parse([]byte(head+"spec: {analysis: "+test.analysis+"}"), "plan.yaml")
		if err != nil {
			t.Errorf("%s: %v", test.analysis, err)
			continue
		}
		method, err := d.Analysis()
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(test.want, method.Metrics, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.analysis, diff)
		}
	}
}

// A plan that was stored before such requests were judged goes on without.
func TestStoredPlanWithoutThem(t *testing.T) {
	stored, err := planfile.Default().Stored()
	if err != nil {
		t.Fatal(err)
	}
	old := regexp.MustCompile(`,"(givenUp|unanswered)":\{[^}]*\}`).ReplaceAll(stored, nil)
	d, err := planfile.Load(old)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := d.Analysis(); err != nil || len(m.Metrics) != 1 || m.Metrics[0].Weight != 1 {
		t.Errorf("%v: %+v", err, m.Metrics)
	}
}

func TestParseBounds(t *testing.T) {
	big := head + "# " + strings.Repeat("x", planfile.MaxSize)
	if _, err := planfile.Parse([]byte(big), "big.yaml"); err == nil || !strings.Contains(err.Error(), "a plan has at most 1048576") {
		t.Errorf("a large file: %v", err)
	}
	var steps strings.Builder
	for range 9000 {
		steps.WriteString("    - {weight: 10}\n")
	}
	if _, err := planfile.Parse([]byte(head+"spec:\n  steps:\n"+steps.String()), "long.yaml"); err == nil || !strings.Contains(err.Error(), "the route would carry") {
		t.Errorf("a plan that no route can carry: %v", err)
	}
	var wrong strings.Builder
	for i := range 100 {
		fmt.Fprintf(&wrong, "  field%d: 1\n", i)
	}
	_, err := planfile.Parse([]byte(head+"spec:\n"+wrong.String()), "wrong.yaml")
	if err == nil || !strings.HasSuffix(err.Error(), "\nand 80 more") {
		t.Errorf("a hundred mistakes: %v", err)
	}
}
