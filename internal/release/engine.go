package release

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// beat is how long the engine sleeps at most. What the passing of time decides,
// such as the end of a step, is late by so much.
const beat = 200 * time.Millisecond

// Engine drives one release. All it knows is in its loop, which alone decides and
// writes; what watches and asks runs beside it and tells the loop.
type Engine struct {
	c        Config
	from, to string // the versions, as the release began

	// What is seen.
	route              traffic.Route     // as of the last sight or write
	gone               error             // why the route cannot be known; nil when it can
	watched            bool              // it was seen
	place              canary.Position   // what the route remembers, or did before somebody took it off
	notes              map[string]string // what it remembers besides: as place
	subsets, subsetsBy string
	versions           workload.Sight
	sighted            bool      // they were seen
	ahead, aheadSeen   time.Time // a step's beginning that lies in the future, and when that was seen
	unready            time.Time // since when the canary has no ready Pod; zero while it has
	evidence           *evidence
	stopReading        context.CancelFunc
	gate               gateState

	// What is done.
	preparing, prepared bool            // the canary is being made; it is, and in the route
	lost                time.Time       // since when it is not there, by what is seen; zero while it is
	broken              string          // why it never will be
	judged              string          // the templates and subsets that the evidence is of
	rolled              bool            // the stable Deployment was given the new template
	refused             bool            // or would have been, were that allowed
	followed            bool            // and was seen to have it
	unrolled            bool            // it was given the old one again
	kept                bool            // or would have been, were that allowed
	hung, halted        bool            // requests hung on the canary, and its Pods are stopped
	stop                canary.Response // what to do on the way out; empty to go on
	stopBy              time.Time
	failing             string // why writes fail; empty when they do not
	pause               time.Duration
	nextTry             time.Time

	waits    string            // what for
	waiting  string            // what was told of it last
	warned   map[string]string // of which troubles, for what reason
	toldGate gateState         // what a gate answered
	drifted  []drift           // what others changed, as it was told

	news chan func() // what changes the fields above, from beside the loop
	wait sync.WaitGroup
}

// New prepares an engine. It sends no request.
func New(c Config) (*Engine, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	e := &Engine{c: c, route: c.Route, place: *c.Route.Position, notes: maps.Clone(c.Route.Notes), warned: map[string]string{}, news: make(chan func())}
	return e, nil
}

// now is where the release stands.
func (e *Engine) now() canary.Release { return *e.place.Release }

// Interrupt has the engine end: with a pause, a rollback, or where the policy is
// empty, with what the plan says. It may be called from anywhere, also twice.
func (e *Engine) Interrupt(ctx context.Context, policy canary.Response) {
	if policy == "" {
		policy = e.c.Plan.Policy.Interrupt
	}
	e.tell(ctx, func() { e.stop = policy })
}

// Run drives until the release is over, paused with nobody to resume it, or
// taken by somebody else; or until the engine is interrupted, which leaves the
// release in the route. When the context ends it drops everything as it is, as a
// crash would.
func (e *Engine) Run(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer e.wait.Wait()
	defer cancel(nil)
	if err := e.open(); err != nil {
		return e.result(), err
	}
	e.begin(ctx, cancel)
	ticker := e.c.Clock.NewTicker(beat)
	defer ticker.Stop()
	for {
		over, err := e.round(ctx)
		if over && err == nil {
			e.stopHanging(ctx)
		}
		if over || err != nil {
			return e.result(), err
		}
		select {
		case <-ctx.Done():
			return e.result(), context.Cause(ctx)
		case change := <-e.news:
			change()
		case <-ticker.C():
		}
		e.drain()
	}
}

// drain takes what came in the meantime, so that one round decides on all of it.
func (e *Engine) drain() {
	for {
		select {
		case change := <-e.news:
			change()
		default:
			return
		}
	}
}

// begin starts what runs beside the loop.
func (e *Engine) begin(ctx context.Context, cancel context.CancelCauseFunc) {
	e.announce()
	e.beside(func() {
		_ = e.c.Router.Watch(ctx, e.c.Route, func(s traffic.Sight) { e.tell(ctx, func() { e.seeRoute(s) }) })
	})
	versions := []string{e.from, e.to}
	e.beside(func() {
		_ = e.c.Workloads.Watch(ctx, versions, func(s workload.Sight) { e.tell(ctx, func() { e.seeVersions(s) }) })
	})
	if e.c.Lease != nil {
		e.beside(func() {
			if err := e.c.Lease.Keep(ctx, func() Saved { return e.ask(ctx) }); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%w: %w", ErrLost, err))
			}
		})
	}
	e.read(ctx)
}

// beside runs something until it ends by itself or with the engine's context.
func (e *Engine) beside(run func()) { e.wait.Go(run) }

// tell hands a change to the loop.
func (e *Engine) tell(ctx context.Context, change func()) {
	select {
	case e.news <- change:
	case <-ctx.Done():
	}
}

// ask gets from the loop what is to be saved.
func (e *Engine) ask(ctx context.Context) Saved {
	answer := make(chan Saved, 1)
	e.tell(ctx, func() { answer <- e.saved() })
	select {
	case s := <-answer:
		return s
	case <-ctx.Done():
		return Saved{}
	}
}

func (e *Engine) result() Result {
	r := Result{Release: e.now(), Known: e.evidence.latest(), Hung: e.hung, Stopped: e.halted}
	if e.evidence != nil && !r.Release.Phase.Over() {
		r.Saved = e.saved()
	}
	return r
}

// prepare makes the canary, as often as it takes, unless that is done or under way.
func (e *Engine) prepare(ctx context.Context) {
	release := e.now()
	if e.absent() && release.Resumed.After(e.lost) { // whoever resumed it wants it made again
		e.prepared, e.preparing = false, false
	}
	if e.made() || e.preparing || release.Phase != canary.Preparing {
		return
	}
	e.preparing = true
	e.beside(func() {
		for pause := time.Second; ; pause = min(2*pause, prepareAgain) {
			err := e.c.Prepare(ctx)
			if ctx.Err() != nil {
				return
			}
			e.tell(ctx, func() { e.havePrepared(err) })
			if !again(err) {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-e.c.Clock.After(pause):
			}
		}
	})
}

// made reports whether the canary is there and in the route: this engine has seen to
// it, or whoever took the first step.
func (e *Engine) made() bool { return e.prepared || e.now().Step >= 0 }

// prepareAgain is the longest pause between two attempts to make the canary.
const prepareAgain = 10 * time.Second
