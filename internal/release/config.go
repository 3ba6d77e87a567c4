// Package release is the engine: it drives one release, by a plan, from the
// first step to its end. Every round it observes, lets canary.Next decide, and
// acts with one write to the route. What the release must remember is in that
// write, so that the engine itself is worth nothing: killed at any instruction,
// another goes on from the route.
package release

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// Why an engine ends without the release being over.
var (
	// ErrSuperseded: the route is of another release now, or of none.
	ErrSuperseded = errors.New("the route belongs to another release")
	// ErrLost: another engine drives.
	ErrLost = errors.New("another engine drives this release")
	// ErrBroken is wrapped by Prepare where the canary will never be ready.
	ErrBroken = errors.New("the canary cannot be prepared")
)

// Workloads tells of the Pods and Deployments of versions.
type Workloads interface {
	Watch(ctx context.Context, versions []string, seen func(workload.Sight)) error
}

// Lease keeps other engines away.
type Lease interface {
	// Keep renews it until the context ends, or another holds it, which is an
	// error. Each renewal carries what saved returns.
	Keep(ctx context.Context, saved func() Saved) error
}

// Saved is what a lease carries for whoever drives next: the evidence, and in
// words what is known and what is waited for.
type Saved struct {
	Evidence string
	Known    *event.Known
	Waits    string
}

// Source opens the stream of counts, from a time on. It is opened again where the
// canary or stable is another than before.
type Source func(since time.Time) (Stream, error)

// Stream is a metrics.Stream that can say where its counts come from.
type Stream interface {
	metrics.Stream
	Name() string
}

// Config is what an engine works with.
type Config struct {
	Plan     canary.Plan
	Analysis analysis.Config
	// Route is as it was read, with the release's position in it.
	Route     traffic.Route
	Router    traffic.Router
	Workloads Workloads
	Source    Source
	// Every is the time between two readings where the source has no pace of its
	// own.
	Every time.Duration
	// GoesOn says that the release was begun before, and told of.
	GoesOn bool
	Lease  Lease // nil for none
	// Saved is what the engine before left in the lease.
	Saved string

	// Prepare makes the canary and puts it into the route with weight 0. It is
	// called while the release is preparing, and again after errors that do not
	// wrap ErrBroken.
	Prepare func(context.Context) error
	// Roll gives the stable Deployment the canary's template. Only a plan that
	// promotes in place needs it.
	Roll func(context.Context) error
	// Unroll gives it back the template that it had; nil for none to be had.
	Unroll func(context.Context) error
	// Stop ends the canary's Pods, and leaves the rest of it. It is called once the
	// traffic is back from a canary on which requests hung; nil for never.
	Stop func(context.Context) error
	// Ask asks the gate of that name, before the "start", a "step" or the
	// "promotion". GateEvery is how long a closed one is left alone.
	Ask       func(ctx context.Context, name, before string, at event.Event) (canary.Gate, string, error)
	GateEvery func(name string) time.Duration

	// Tell receives every event, one at a time.
	Tell func(event.Event)
	// StopPaused ends the engine when the release is paused: nobody is there who
	// would resume it.
	StopPaused bool

	Clock clock.WithTicker
}

func (c Config) validate() error {
	switch {
	case c.Route.Position == nil || c.Route.Position.Release == nil:
		return fmt.Errorf("drive %s: %w", c.Route, ErrSuperseded)
	case c.Plan.Promotion == canary.InPlace && c.Roll == nil:
		return fmt.Errorf("drive %s: the plan promotes in place, and nothing rolls Deployments", c.Route)
	}
	for i := range len(c.Plan.Steps) + 1 {
		if name := c.Plan.GateBefore(i); name != "" && c.Ask == nil {
			return fmt.Errorf("drive %s: the plan has gate %q, and nobody asks it", c.Route, name)
		}
	}
	return c.Plan.Validate()
}

// Result is how an engine ended: Release says where the release stands.
type Result struct {
	Release canary.Release
	Known   *event.Known // nil before the first reading
	// Hung says that it was rolled back for requests which hung on the canary, and
	// Stopped that its Pods are for that.
	Hung, Stopped bool
	// Saved is what the next engine goes on from; nothing once it is over.
	Saved Saved
}
