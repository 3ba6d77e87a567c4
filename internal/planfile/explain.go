package planfile

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
)

// Explain says in plain words what a release by the document does, and marks what
// the file does not say itself.
func (d Document) Explain(out io.Writer) error {
	e := explanation{d: d, plan: d.Plan()}
	e.title()
	e.steps()
	e.promotion()
	e.rollback()
	e.policies()
	e.around()
	_, err := io.WriteString(out, e.b.String())
	return err
}

type explanation struct {
	d    Document
	plan canary.Plan
	b    strings.Builder
}

func (e *explanation) line(format string, args ...any) { fmt.Fprintf(&e.b, format+"\n", args...) }

// or marks a text whose field, or all that is in it, the file leaves to the default.
func (e *explanation) or(text, field string) string {
	if e.d.Given(field) {
		return text
	}
	return text + " (default)"
}

func (e *explanation) title() {
	if name := e.d.Metadata.Name; name != "" {
		e.line("Plan %s.", name)
	}
	least := fmt.Sprintf("It takes %s at least", short(e.d.Lasts(0)))
	switch planned := e.plan.Planned(); {
	case e.plan.Proof || planned == 0:
		least += ", and until the evidence is for the canary"
	default:
		least += fmt.Sprintf(", and until the canary has answered %s requests", analysis.Thousands(planned))
	}
	if t := e.plan.Timeout; t > 0 {
		least += fmt.Sprintf("; after %s %s", short(t.Std()), response(e.plan.Policy.Timeout))
	}
	e.line("%s.", least)
}

func (e *explanation) steps() {
	e.line("\nStep by step%s:", e.or("", "spec.steps"))
	for i, s := range e.plan.Steps {
		e.line("  %d. %s", i+1, e.step(s))
	}
	if r := e.plan.Ramp; r != nil {
		e.line("  Between the steps the evidence raises the weight, up to %s%%, and holds a step\n  back, as long as that keeps the expected users' errors within %s.", r.Most, figure(r.Errors))
	}
}

func (e *explanation) step(s canary.Step) string {
	var before, during []string
	if s.Pause {
		before = append(before, "a person lets it go on")
	}
	if s.Gate != "" {
		before = append(before, fmt.Sprintf("gate %q agrees", s.Gate))
	}
	what := fmt.Sprintf("%s%% of the traffic goes to the canary", s.Weight)
	switch {
	case s.Header != nil:
		what = fmt.Sprintf("only requests with %s: %s go to the canary", s.Header.Name, s.Header.Value)
	case s.Mirror:
		what = fmt.Sprintf("%s%% of stable's requests are copied to the canary", s.Weight)
	}
	if len(before) > 0 {
		what = "once " + strings.Join(before, " and ") + ", " + what
	}
	if s.Min > 0 {
		during = append(during, "for at least "+short(s.Min.Std()))
	}
	if s.Exposure > 0 {
		during = append(during, fmt.Sprintf("until it has answered %s requests", analysis.Thousands(s.Exposure)))
	}
	text := strings.Join(append([]string{what}, during...), ", ")
	if s.Max > 0 {
		text += fmt.Sprintf("; after %s %s", short(s.Max.Std()), response(e.plan.Policy.Timeout))
	}
	return text
}

func (e *explanation) promotion() {
	e.line("\nAfter the last step the canary is promoted, with nobody there, once")
	a := e.d.Spec.Analysis
	e.line("  - the evidence is for it (proved): it is shown to fail less than %s times as often as stable%s", figure(a.Margin), e.negligible())
	switch planned := e.plan.Planned(); {
	case e.plan.Proof:
		e.line("  and only then: the plan asks for proof.")
	case planned > 0:
		e.line("  - or it has answered %s requests without an alarm (passed on exposure).", analysis.Thousands(planned))
	default:
		e.line("  and only then: no exposure is planned that would do without.")
	}
	if e.plan.Confirm != "" {
		e.line("  Gate %q must agree too.", e.plan.Confirm)
	}
	how := "Its Deployment becomes the stable one, and no Pod restarts"
	if e.plan.Promotion == canary.InPlace {
		how = "The stable Deployment is rolled to its template while the canary carries the traffic"
	}
	e.line("  %s.", e.or(how, "spec.promotion"))
	keep := "The old version stays until somebody deletes it"
	if e.plan.KeepStable > 0 {
		keep = fmt.Sprintf("The old version stays for %s", short(e.plan.KeepStable.Std()))
	}
	e.line("  %s.", e.or(keep, "spec.keepStable"))
}

func (e *explanation) negligible() string {
	if n := e.d.Spec.Analysis.Negligible; n > 0 {
		return fmt.Sprintf(", or less than %s of its requests", percent(float64(n)))
	}
	return ""
}

func (e *explanation) rollback() {
	const at = "spec.analysis."
	a := e.d.Spec.Analysis
	e.line("\nAt any moment all traffic goes back to stable, with nobody there, once")
	e.line("  - the canary is shown to fail more than %s times as often as stable, %s;",
		figure(1+float64(a.Tolerance)), e.or("tolerance "+percent(float64(a.Tolerance)), at+"tolerance"))
	e.line("    a canary within that ever meets this with a probability of %s", e.or(percent(float64(a.Alpha))+" at most", at+"alpha"))
	for _, m := range a.Metrics {
		e.metric(m)
	}
	if a.GivenUp.Weight > 0 {
		tolerance := a.Tolerance
		if own := a.GivenUp.Tolerance; own != nil {
			tolerance = *own
		}
		e.line("  - its users are shown to give up more than %s times as often as stable's, where that is counted%s", figure(1+float64(tolerance)), e.or("", at+"givenUp"))
	}
	if a.Unanswered.Weight > 0 {
		e.line("  - it is shown to hang, or not to be reached: hardly any of what it is sent is answered%s", e.or("", at+"unanswered"))
	}
	for _, l := range a.Limits {
		bad := "fail"
		if l.Metric == Latency {
			bad = "take longer than " + short(l.Over.Std())
		}
		e.line("  - more than %s of its requests are shown to %s, whatever stable's do", percent(float64(l.Share)), bad)
	}
	if p := a.Pods; p != nil {
		e.line("  - its containers restart more than %d times beyond what stable's do%s", p.MaxRestarts, e.or("", at+"pods.maxRestarts"))
	}
	if u := e.plan.Unready; u > 0 {
		e.line("  - it has traffic and no ready Pod for %s", e.or(short(u.Std()), "spec.unready"))
	}
	if e.plan.Budget > 0 {
		e.line("  - it has caused %s users' errors beyond what stable would have", figure(e.plan.Budget))
	}
	if len(e.d.Spec.Gates) > 0 {
		e.line("  - a gate says no")
	}
}

// metric says what is particular to one.
func (e *explanation) metric(m Metric) {
	var own []string
	if m.Tolerance != nil {
		own = append(own, "tolerance "+percent(float64(*m.Tolerance)))
	}
	if m.Margin != nil {
		own = append(own, "margin "+figure(*m.Margin))
	}
	if m.Negligible != nil {
		own = append(own, "negligible "+percent(float64(*m.Negligible)))
	}
	with := strings.Join(own, ", ")
	switch {
	case m.Name == Latency && with == "":
		e.line("    slow requests are judged in the same way: those that take longer than %s", slow(m))
	case m.Name == Latency:
		e.line("    slow requests, those that take longer than %s, are judged with %s", slow(m), with)
	case with != "":
		e.line("    %s are judged with %s", m.Name, with)
	}
}

func slow(m Metric) string {
	if m.Quantile > 0 {
		return "the " + m.Quantile.String() + " of stable's"
	}
	return short(m.Over.Std())
}

func (e *explanation) policies() {
	p := e.plan.Policy
	e.line("\nWhen the evidence alone does not say:")
	for _, c := range []struct {
		name, when string
		r          canary.Response
	}{
		{"noData", "no counts for " + e.or(short(e.plan.NoData.Std()), "spec.noData") + ", or none of one version that has traffic", p.NoData},
		{"timeout", "a step or the release takes too long", p.Timeout},
		{"doubt", "all steps are over and the terms of the promotion are not met", p.Doubt},
		{"foreign", "somebody else changes the route, a Deployment or the subsets", p.Foreign},
		{"interrupt", "canaryctl is told to end", p.Interrupt},
	} {
		e.line("  - %s: %s", c.when, e.or(response(c.r), "spec.policy."+c.name))
	}
}

// response is a policy in words.
func response(r canary.Response) string {
	switch r {
	case canary.Hold:
		return "it waits where it is, and goes on by itself"
	case canary.Pause:
		return "it waits for a person"
	case canary.RollBack:
		return "all traffic goes back to stable"
	}
	return string(r)
}

func (e *explanation) around() {
	if n := len(e.d.Spec.Notify); n > 0 {
		e.line("\nOf its events it tells %d other%s, and waits for none of them.", n, strings.Repeat("s", min(n-1, 1)))
	}
	foreign := e.d.Foreign()
	if len(foreign) == 0 {
		return
	}
	e.line("\nOn the machine that drives the release it will")
	for _, what := range foreign {
		e.line("  - %s", what)
	}
}

// short is a duration without the units that are zero: 10m, not 10m0s.
func short(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = strings.TrimSuffix(text, zero[1:])
		}
	}
	return text
}
