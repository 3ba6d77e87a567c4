package canary_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/canary"
)

func TestPlanValidate(t *testing.T) {
	if err := canary.DefaultPlan().Validate(); err != nil {
		t.Errorf("the default plan: %v", err)
	}
	us := &canary.Header{Name: "x-user", Value: "us"}
	steps := func(s ...canary.Step) func(*canary.Plan) { return func(p *canary.Plan) { p.Steps = s } }
	for _, test := range []struct {
		change func(*canary.Plan)
		names  string // what the error must name; empty for none
	}{
		{steps(canary.Step{Header: us}, canary.Step{Mirror: true, Weight: 80}, canary.Step{Weight: 5}, canary.Step{Weight: 5, Pause: true}), ""},
		{steps(), "steps"},
		{steps(canary.Step{Weight: 20}, canary.Step{Weight: 10}), "steps[1].weight"},
		{steps(canary.Step{Weight: 20}, canary.Step{Header: us}), "steps[1].weight"},
		{steps(canary.Step{Weight: 20}, canary.Step{Mirror: true, Weight: 50}), "steps[1].weight"},
		{steps(canary.Step{Weight: 101}), "steps[0].weight"},
		{steps(canary.Step{}), "steps[0].weight"},
		{steps(canary.Step{Mirror: true}), "steps[0].weight"},
		{steps(canary.Step{Weight: 1, Header: us}), "steps[0].header"},
		{steps(canary.Step{Header: &canary.Header{Value: "us"}}), "steps[0].header.name"},
		{steps(canary.Step{Weight: 1, Min: -1}), "steps[0].min"},
		{steps(canary.Step{Weight: 1, Min: 2, Max: 1}), "steps[0].max"},
		{func(p *canary.Plan) { p.Ramp = &canary.Ramp{Errors: 5, Most: 50} }, ""},
		{func(p *canary.Plan) { p.Ramp = &canary.Ramp{Most: 50} }, "ramp.errors"},
		{func(p *canary.Plan) { p.Ramp = &canary.Ramp{Errors: math.NaN(), Most: 50} }, "ramp.errors"},
		{func(p *canary.Plan) { p.Ramp = &canary.Ramp{Errors: 5} }, "ramp.most"},
		{func(p *canary.Plan) { p.Budget = -1 }, "budget"},
		{func(p *canary.Plan) { p.Unready = -1 }, "unready"},
		{func(p *canary.Plan) { p.Timeout = canary.Duration(8 * time.Minute) }, ""},
		{func(p *canary.Plan) { p.Timeout = canary.Duration(7 * time.Minute) }, "timeout"},
		{func(p *canary.Plan) { p.Promotion = "later" }, "promotion"},
		{func(p *canary.Plan) { p.Policy.Doubt = "" }, "policy.doubt"},
		{func(p *canary.Plan) { p.Policy.Interrupt = canary.Hold }, "policy.interrupt"},
	} {
		p := canary.DefaultPlan()
		test.change(&p)
		err := p.Validate()
		if test.names == "" && err != nil || test.names != "" && (!errors.Is(err, canary.ErrPlan) || !strings.Contains(err.Error(), test.names)) {
			t.Errorf("%+v: %v, want an error that names %q", p, err, test.names)
		}
	}
}

func TestBeside(t *testing.T) {
	p := plan()
	us := &canary.Header{Name: "x-user", Value: "us"}
	p.Steps = append([]canary.Step{{Header: us}, {Mirror: true, Weight: 30}}, p.Steps...)
	for _, test := range []struct {
		r      canary.Release
		header *canary.Header
		mirror canary.Percent
	}{
		{canary.Release{Phase: canary.Preparing, Step: -1}, nil, 0},
		{canary.Release{Phase: canary.Progressing, Step: 0}, us, 0},
		{canary.Release{Phase: canary.Paused, Step: 0}, us, 0},
		{canary.Release{Phase: canary.Progressing, Step: 1}, nil, 30},
		{canary.Release{Phase: canary.Progressing, Step: 2}, nil, 0},
		{canary.Release{Phase: canary.Promoting, Step: 0, Basis: canary.ByHand}, nil, 0},
		{canary.Release{Phase: canary.RolledBack, Step: 1}, nil, 0},
		{canary.Release{Phase: canary.Promoted, Step: 0}, nil, 0},
	} {
		if header, mirror := p.Beside(test.r); header != test.header || mirror != test.mirror {
			t.Errorf("%s at step %d: %v, %s", test.r.Phase, test.r.Step, header, mirror)
		}
	}
}

func TestPlanned(t *testing.T) {
	p := plan() // 100, 200, 300
	if got := p.Planned(); got != 600 {
		t.Errorf("of the steps: %d", got)
	}
	p.Exposure = 5000
	if got := p.Planned(); got != 5000 {
		t.Errorf("of the plan: %d", got)
	}
	if got := canary.DefaultPlan().Planned(); got != 0 {
		t.Errorf("of none: %d", got)
	}
}

func TestGateBefore(t *testing.T) {
	p := plan()
	p.Confirm = "release managers"
	var got []string
	for i := -1; i <= len(p.Steps); i++ {
		got = append(got, p.GateBefore(i))
	}
	if diff := cmp.Diff([]string{"", "", "", "owners", "release managers"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDurationJSON(t *testing.T) {
	for text, want := range map[string]time.Duration{`"90s"`: 90 * time.Second, `"5m"`: 5 * time.Minute, `"0s"`: 0} {
		var d canary.Duration
		if err := json.Unmarshal([]byte(text), &d); err != nil || d.Std() != want {
			t.Errorf("%s: %s, %v", text, d, err)
		}
	}
	for _, text := range []string{`90`, `"90"`, `"soon"`, `{}`} {
		var d canary.Duration
		if err := json.Unmarshal([]byte(text), &d); err == nil {
			t.Errorf("%s is taken for %s", text, d)
		}
	}
}
