package cli

import (
	"context"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// statusRelease is a release as status shows it; its JSON is documented in the
// command's help.
type statusRelease struct {
	ID      string         `json:"id"`
	Phase   canary.Phase   `json:"phase"`
	Image   string         `json:"image,omitempty"`
	By      string         `json:"by,omitempty"`
	Started time.Time      `json:"started"`
	Since   time.Time      `json:"since"`
	Step    int            `json:"step"` // 1 is the first; 0 before it
	Steps   []statusStep   `json:"steps,omitempty"`
	Weight  canary.Percent `json:"weight"`
	Paused  time.Time      `json:"paused,omitzero"`
	Cause   canary.Cause   `json:"cause,omitempty"`
	Why     string         `json:"why,omitempty"`
	Wish    canary.Wish    `json:"wish,omitempty"`
	Basis   canary.Basis   `json:"basis,omitempty"`
	Driver  *statusDriver  `json:"driver,omitempty"`
	Waits   string         `json:"waits,omitempty"`
	Known   *event.Known   `json:"known,omitempty"`
	KnownAt time.Time      `json:"knownAt,omitzero"`
	// Reason says why something of this is not known.
	Reason string `json:"reason,omitempty"`

	rolling bool
}

// statusStep is a step of the plan.
type statusStep struct {
	Weight canary.Percent  `json:"weight"`
	Min    canary.Duration `json:"min,omitempty"`
	Header string          `json:"header,omitempty"`
	Mirror bool            `json:"mirror,omitempty"`
}

// statusDriver is who drives a release.
type statusDriver struct {
	Name    string    `json:"name"`
	Renewed time.Time `json:"renewed"`
	Alive   bool      `json:"alive"`
}

// statusOf is the release that a route is in, or was in last; nil for none.
func (o *status) statusOf(ctx context.Context, route traffic.Route) *statusRelease {
	r := lastRelease(route)
	if r == nil {
		return nil
	}
	s := &statusRelease{
		ID: r.ID, Phase: r.Phase, Image: r.Image, By: r.By, Started: r.Started, Since: r.Since, Step: r.Step + 1,
		Weight: r.Weight, Paused: r.Paused, Cause: r.Cause, Why: r.Why, Wish: r.Wish, Basis: r.Basis, rolling: r.Rolling(),
	}
	if r.Phase.Over() {
		return s
	}
	plan, err := planOf(route)
	if err != nil {
		s.Reason = err.Error()
	}
	for _, step := range plan.Steps {
		next := statusStep{Weight: step.Weight, Min: step.Min, Mirror: step.Mirror}
		if step.Header != nil {
			next.Header = step.Header.Name + ": " + step.Header.Value
		}
		s.Steps = append(s.Steps, next)
	}
	drives, err := drivingOf(ctx, o.f, route)
	if err != nil {
		s.Reason = err.Error()
		return s
	}
	if drives.Holder != "" {
		s.Driver = &statusDriver{Name: drives.Holder, Renewed: drives.Renewed, Alive: drives.Alive}
	}
	s.Known, s.Waits = drives.Known, drives.Waits
	if s.Known != nil {
		s.KnownAt = drives.Renewed
	}
	return s
}

// driven reports whether something drives the release.
func (s *statusRelease) driven() bool { return s.Driver != nil && s.Driver.Alive }

// least is how much longer the present step takes at least; zero where that is
// not known, or over.
func (s *statusRelease) least(now time.Time) time.Duration {
	if s.Phase != canary.Progressing || s.Step < 1 || s.Step > len(s.Steps) {
		return 0
	}
	return max(0, s.Since.Add(s.Steps[s.Step-1].Min.Std()).Sub(now))
}
