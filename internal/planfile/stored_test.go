package planfile_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/planfile"
)

// alike compares what documents say, wherever they were read.
func alike() cmp.Option { return cmpopts.IgnoreUnexported(planfile.Document{}) }

const guarded = head + `
spec:
  noData: 0s
  unready: 0s
  steps: [{weight: 10}]
  confirm: {step: owners, promotion: night}
  analysis: {evidenceCap: "off", dispersion: 2, onset: false, grpcFailed: [], metrics: [{name: latency, quantile: p99.9}]}
  gates:
    owners: {webhook: {url: "https://gates.example", secretFile: /run/key}}
    night: {command: {args: [./night, "a b"]}}
  notify:
    - slack: {urlEnv: SLACK_URL}
    - {command: {args: [logger]}, on: [promoted]}
`

// The zeros that a file asks for stay zeros, whatever the defaults are.
func TestStoredLoads(t *testing.T) {
	for _, text := range []string{head, guarded} {
		d := parse(t, text)
		stored, err := d.Stored()
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := planfile.Load(stored)
		if err != nil {
			t.Fatalf("%s: %v", stored, err)
		}
		if diff := cmp.Diff(d, loaded, alike()); diff != "" {
			t.Errorf("(-file +route):\n%s", diff)
		}
		if d.Hash() != loaded.Hash() || len(d.Hash()) != 12 {
			t.Errorf("hash %q of the file, %q of the route", d.Hash(), loaded.Hash())
		}
	}
}

// A plan that was made by hand may name the promotion's gate where canary.Plan does.
func TestStoredConfirm(t *testing.T) {
	d := parse(t, guarded)
	d.Spec.Confirm = planfile.Confirm{Step: "owners"}
	d.Spec.Plan.Confirm = "night"
	stored, err := d.Stored()
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := planfile.Load(stored)
	if err != nil || loaded.Plan().Confirm != "night" {
		t.Errorf("%+v, %v", loaded.Plan(), err)
	}
}

func TestLoadRefuses(t *testing.T) {
	for stored, want := range map[string]string{
		``:     "invalid plan file: the plan in the route: EOF",
		`{}`:   `apiVersion: "" is not canaryctl.io/v1alpha1`,
		`null`: `apiVersion: "" is not`,
		`{"apiVersion":"canaryctl.io/v1alpha1","kind":"Plan","spec":{"color":1}}`: `unknown field "color"`,
		`{} {}`: "something follows it",
		`{"apiVersion":"canaryctl.io/v1alpha1","kind":"Plan","spec":{"steps":[]}}`: "spec.steps: it has none",
		strings.Repeat(" ", planfile.MaxSize+1):                                    "a plan has at most",
	} {
		_, err := planfile.Load([]byte(stored))
		if !errors.Is(err, planfile.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %q", stored, err, want)
		}
	}
	_, err := planfile.Load([]byte(`{"new":1}`))
	if !strings.Contains(hint.Of(err), "a newer canaryctl") {
		t.Errorf("hint %q", hint.Of(err))
	}
}

func TestStoredRefuses(t *testing.T) {
	d := planfile.Default()
	d.Spec.Steps = nil
	if _, err := d.Stored(); !errors.Is(err, planfile.ErrInvalid) {
		t.Errorf("a plan without steps: %v", err)
	}
}

// The hash is of what decides, and of nothing else.
func TestHash(t *testing.T) {
	base := parse(t, guarded).Hash()
	for _, test := range []struct {
		name   string
		change func(*planfile.Spec)
		same   bool
	}{
		{"who is told", func(s *planfile.Spec) { s.Notify = nil }, true},
		{"where a gate is asked", func(s *planfile.Spec) { s.Gates["owners"].Webhook.URL = "https://other.example" }, true},
		{"a gate's name, said in another way", func(s *planfile.Spec) { s.Confirm.Step, s.Steps[0].Gate = "", "owners" }, true},
		{"a weight", func(s *planfile.Spec) { s.Steps[0].Weight++ }, false},
		{"a gate fewer", func(s *planfile.Spec) { s.Confirm.Promotion = "" }, false},
		{"the method", func(s *planfile.Spec) { s.Analysis.Margin = 1.6 }, false},
		{"what is counted", func(s *planfile.Spec) { s.Analysis.WarmUp = canary.Duration(1e9) }, false},
	} {
		d := parse(t, guarded)
		test.change(&d.Spec)
		if same := d.Hash() == base; same != test.same {
			t.Errorf("%s: the same hash: %v", test.name, same)
		}
	}
}

func TestForeign(t *testing.T) {
	if got := planfile.Default().Foreign(); got != nil {
		t.Errorf("of the default: %q", got)
	}
	want := []string{
		`run "./night" "a b" (spec.gates.night.command.args)`,
		"send requests to https://gates.example (spec.gates.owners.webhook.url)",
		"read the file /run/key (spec.gates.owners.webhook.secretFile)",
		"read the environment variable SLACK_URL (spec.notify[0].slack.urlEnv)",
		`run "logger" (spec.notify[1].command.args)`,
	}
	if diff := cmp.Diff(want, parse(t, guarded).Foreign()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
