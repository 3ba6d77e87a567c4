package status

import (
	"fmt"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/planfile"
	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Release is the release of a route, or how its last one ended.
type Release struct {
	ID      string         `json:"id"`
	Phase   canary.Phase   `json:"phase"`
	Image   string         `json:"image,omitempty"`
	By      string         `json:"by,omitempty"`
	Started time.Time      `json:"started"`
	Since   time.Time      `json:"since"`
	Step    int            `json:"step"` // 1 is the first; 0 before it
	Steps   []Step         `json:"steps,omitempty"`
	Weight  canary.Percent `json:"weight"`
	Paused  time.Time      `json:"paused,omitzero"`
	Cause   canary.Cause   `json:"cause,omitempty"`
	Why     string         `json:"why,omitempty"`
	Wish    canary.Wish    `json:"wish,omitempty"`
	Basis   canary.Basis   `json:"basis,omitempty"`
	Driver  *Driver        `json:"driver,omitempty"`
	Waits   string         `json:"waits,omitempty"`
	Known   *event.Known   `json:"known,omitempty"`
	KnownAt time.Time      `json:"knownAt,omitzero"`
	// Reason says why something of this is not known.
	Reason string `json:"reason,omitempty"`

	// Rolling says that the stable Deployment is on its way to the canary's template.
	Rolling bool `json:"-"`
}

// Step is a step of the plan.
type Step struct {
	Weight canary.Percent  `json:"weight"`
	Min    canary.Duration `json:"min,omitempty"`
	Header string          `json:"header,omitempty"`
	Mirror bool            `json:"mirror,omitempty"`
}

// PlanOf is the plan that a route carries for its release.
func PlanOf(route traffic.Route) (planfile.Document, error) {
	text := route.Notes[canary.PlanAnnotation]
	if text == "" {
		return planfile.Document{}, fmt.Errorf("%s: the plan of its release is gone: it has no annotation %s", route, canary.PlanAnnotation)
	}
	document, err := planfile.Load([]byte(text))
	if err != nil {
		return document, fmt.Errorf("%s: %w", route, err)
	}
	return document, nil
}

// ReleaseOf is the release that a route is in, or was in last, without who drives it;
// nil for none.
func ReleaseOf(route traffic.Route) *Release {
	r := steer.Last(route)
	if r == nil {
		return nil
	}
	s := &Release{
		ID: r.ID, Phase: r.Phase, Image: r.Image, By: r.By, Started: r.Started, Since: r.Since, Step: r.Step + 1,
		Weight: r.Weight, Paused: r.Paused, Cause: r.Cause, Why: r.Why, Wish: r.Wish, Basis: r.Basis, Rolling: r.Rolling(),
	}
	if r.Phase.Over() {
		return s
	}
	plan, err := PlanOf(route)
	if err != nil {
		s.Reason = err.Error()
	}
	for _, step := range plan.Plan().Steps {
		next := Step{Weight: step.Weight, Min: step.Min, Mirror: step.Mirror}
		if step.Header != nil {
			next.Header = step.Header.Name + ": " + step.Header.Value
		}
		s.Steps = append(s.Steps, next)
	}
	return s
}

// driven adds who drives the release, and what that knows.
func (s *Release) driven(d Driver, err error) {
	switch {
	case err != nil:
		s.Reason = err.Error()
		return
	case d.Name != "":
		s.Driver = &d
	}
	if s.Known, s.Waits = d.Known, d.Waits; s.Known != nil {
		s.KnownAt = d.Renewed
	}
}

// Driven reports whether something drives the release.
func (s *Release) Driven() bool { return s.Driver != nil && s.Driver.Alive }

// Least is how much longer the present step takes at least; zero where that is not
// known, or over.
func (s *Release) Least(now time.Time) time.Duration {
	if s.Phase != canary.Progressing || s.Step < 1 || s.Step > len(s.Steps) {
		return 0
	}
	return max(0, s.Since.Add(s.Steps[s.Step-1].Min.Std()).Sub(now))
}
