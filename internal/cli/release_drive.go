package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/github"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/hook"
	"github.com/canaryctl/canaryctl/internal/lease"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/planfile"
	"github.com/canaryctl/canaryctl/internal/release"
	"github.com/canaryctl/canaryctl/internal/source"
	"github.com/canaryctl/canaryctl/internal/status"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// runner drives a release from this terminal: what release and resume share.
type runner struct {
	f        *Factory
	source   analyze            // where the counts come from
	document *planfile.Document // nil for that of the route
	filed    bool               // it is from a file, and not the route's

	made     *unstructured.Unstructured // the canary's Deployment, where it was made here
	measured *metrics.Release           // likewise
	goesOn   bool                       // the release was begun before

	events     bool // as lines of JSON, on standard output
	record     string
	github     bool
	takeOver   bool
	trust      bool
	ready      time.Duration
	waitPaused bool
	keepCanary bool
	drain      time.Duration
}

// readyPatience is for Pods that pull a large image.
const readyPatience = 5 * time.Minute

func newRunner(f *Factory) runner {
	return runner{
		f: f, ready: readyPatience, waitPaused: isTerminal(f.Err),
		source: analyze{Factory: f, method: newMethod(), source: sourceAuto, interval: time.Second},
	}
}

func (d *runner) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&d.record, "record", "", "file that every event is appended to, for canaryctl report")
	flags.BoolVar(&d.github, "github", false, "write a job summary, annotations and outputs for GitHub Actions")
	flags.BoolVar(&d.takeOver, "take-over", false, "drive even where another canaryctl does; that one ends")
	flags.BoolVar(&d.trust, "trust-plan", false, "allow the commands, files and URLs that the plan stored in the route names; whoever can edit the route can change them")
	flags.BoolVar(&d.waitPaused, "wait-paused", d.waitPaused, "stay while the release is paused (default: at a terminal)")
	flags.BoolVar(&d.keepCanary, "keep-canary", false, "leave the canary's Pods running even where it is rolled back because requests hang on them; clients with one connection, as those of gRPC have, may stand still until they end")
	flags.DurationVar(&d.drain, "drain", 0, "before a version that is not needed any more is removed, wait, at most so long, until no request is open on it")
	flags.DurationVar(&d.ready, "ready-timeout", d.ready, "longest wait for the canary's Pods")
	flags.StringVar(&d.source.source, "metrics-source", d.source.source, "where to read: auto, prometheus or pods")
	flags.DurationVar(&d.source.interval, "interval", d.source.interval, "time between two readings of the Pods")
	d.source.prometheus.addFlags(flags)
	d.source.metrics.addFlags(flags)
}

func (d *runner) complete(flags *pflag.FlagSet) error {
	if d.ready <= 0 {
		return usagef("--ready-timeout %s: say how long the canary may take to start", d.ready)
	}
	if err := (&retirement{drain: d.drain}).checkDrain(); err != nil {
		return err
	}
	if _, job := github.FromEnv(os.Getenv, nil); d.github && !job {
		return usagef("--github: this is no job of GitHub Actions, so there is nobody to tell")
	}
	if err := checkInterval(d.source.interval); err != nil {
		return err
	}
	return d.source.checkSource(flags)
}

// own takes the lease of a route, lets begin do what comes first, and drives until
// the release ends. While another engine has the lease it watches, says who drives,
// and goes on in its place should that one be gone.
func (d *runner) own(ctx context.Context, router traffic.Router, route traffic.Route, begin func(context.Context) (traffic.Route, error)) error {
	client, err := d.f.Dynamic()
	if err != nil {
		return err
	}
	owner := metav1.OwnerReference{APIVersion: route.APIVersion, Kind: route.Kind, Name: route.Name, UID: types.UID(route.UID)}
	l := lease.New(lease.Config{
		Client: client, Namespace: route.Namespace, Name: route.Name, Apart: route.Apart, Identity: identity(d.f),
		Clock: d.f.Clock, Owner: &owner,
	})
	before, over, err := d.acquire(ctx, l, route)
	if over || err != nil {
		return err
	}
	out, err := d.tellers()
	if err != nil {
		d.giveUp(ctx, l, release.Saved{})
		return err
	}
	defer out.close(context.WithoutCancel(ctx))
	var result release.Result
	if route, err = begin(ctx); err == nil {
		result, err = d.drive(ctx, router, route, l, before, out)
	}
	if errors.Is(err, release.ErrLost) {
		return d.lost(err)
	}
	d.giveUp(ctx, l, result.Saved)
	if err != nil {
		return err
	}
	return d.conclude(ctx, router, route, result, out)
}

// giveUp lets another have the lease at once, and leaves it what is known.
func (d *runner) giveUp(ctx context.Context, l *lease.Lease, s release.Saved) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
	defer cancel()
	if err := l.Release(ctx, stateOf(s)); err != nil {
		fmt.Fprintf(d.f.Err, "the lease could not be given up, and ends by itself: %v\n", err)
	}
}

// drive runs an engine on the release in the route.
func (d *runner) drive(ctx context.Context, router traffic.Router, route traffic.Route, l *lease.Lease, before string, out *tellers) (release.Result, error) {
	config, err := d.document.Analysis()
	if err != nil {
		return release.Result{}, err
	}
	measured, err := d.measure(ctx, router, route)
	if err != nil {
		return release.Result{}, err
	}
	deployments, err := d.f.reached(route, measured.Backends)
	if err != nil {
		return release.Result{}, err
	}
	gates, err := hook.NewGates(d.document.Gates(), d.hooks(out))
	if err != nil {
		return release.Result{}, err
	}
	engine, err := release.New(release.Config{
		Plan: d.document.Plan(), Analysis: config, Route: route,
		Router: router, Workloads: deployments, Source: d.open(measured), Every: d.source.interval,
		GoesOn: d.goesOn, Lease: keeper{l}, Saved: before,
		Prepare: func(ctx context.Context) error { return brokenFor(d.prepare(ctx, deployments, route, out.progress)) },
		Roll: func(ctx context.Context) error {
			if err := rollStable(ctx, deployments, route); err != nil {
				return err
			}
			d.tellRolled(ctx, deployments, route, out)
			return nil
		},
		Unroll: func(ctx context.Context) error { return unrollStable(ctx, deployments, route, workload.Options{}) },
		Stop:   d.stops(deployments, route),
		Ask: func(ctx context.Context, name, before string, at event.Event) (canary.Gate, string, error) {
			return gates.Ask(ctx, name, hook.Question{Event: at, Before: before})
		},
		GateEvery: gates.Every,
		Tell:      out.tell, StopPaused: !d.waitPaused,
		Clock: d.f.Clock,
	})
	if err != nil {
		return release.Result{}, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	watched := d.heed(ctx, running, engine)
	result, err := engine.Run(running)
	stop()
	<-watched
	out.view.leave()
	return result, err
}

// conclude turns how it ended into an exit status, and does what comes after.
func (d *runner) conclude(ctx context.Context, router traffic.Router, route traffic.Route, result release.Result, out *tellers) error {
	switch r := result.Release; r.Phase {
	case canary.Promoted:
		return d.afterPromotion(ctx, router, route, r, out)
	case canary.RolledBack:
		if text := status.Pinned(route); text != "" {
			fmt.Fprintln(d.f.Err, text)
		}
		return hint.Wrap(fmt.Errorf("%w: %s", ErrRolledBack, r.Why), "%s", d.stays(route, result))
	case canary.Paused:
		if r.Cause == canary.CauseInterrupt {
			return hint.Wrap(fmt.Errorf("%w: the release is paused where it was, at %s%%", ErrInterrupted, r.Weight), "canaryctl resume goes on")
		}
		return hint.Wrap(fmt.Errorf("%w: the release is paused: %s", ErrInconclusive, r.Why), "canaryctl resume goes on, canaryctl rollback gives the traffic back")
	}
	return hint.Wrap(fmt.Errorf("%w: the release stands at %s%%", ErrInterrupted, result.Release.Weight), "canaryctl resume goes on")
}

// measure is the route as metrics know it: as it was found when the canary was made, or
// as it is now.
func (d *runner) measure(ctx context.Context, router traffic.Router, route traffic.Route) (metrics.Release, error) {
	if d.measured != nil {
		return *d.measured, nil
	}
	return d.f.measured(ctx, router, route)
}

// open is the source of the counts for an engine. What it cannot see is said once.
func (d *runner) open(measured metrics.Release) release.Source {
	var said bool
	return func(since time.Time) (release.Stream, error) {
		client, err := d.f.Client()
		if err != nil {
			return nil, err
		}
		from := d.source
		from.since = max(0, d.f.Clock.Since(since))
		method := d.document.Spec.Analysis
		from.warmUp, from.within = method.WarmUp.Std(), method.Unanswered.Within.Std()
		from.metrics.orFailed(method.GRPCFailed)
		places, err := from.places(client, measured)
		if err != nil {
			return nil, err
		}
		all, err := source.NewFirst(places, d.f.Clock)
		if err != nil {
			return nil, err
		}
		return noting{all, d.f.Err, &said}, nil
	}
}

// noting says which failures of users are not counted, as soon as the source is chosen.
type noting struct {
	*source.First
	to   io.Writer
	said *bool
}

func (n noting) Next(ctx context.Context) ([]metrics.Interval, error) {
	found, err := n.First.Next(ctx)
	if without := n.Unseen(); without != "" && !*n.said {
		fmt.Fprintf(n.to, "note: %s\n", without)
		*n.said = true
	}
	return found, err
}

// brokenFor marks the errors of preparing that will be the same next time.
func brokenFor(err error) error {
	for _, lasting := range []error{workload.ErrNotReady, workload.ErrTimeout, workload.ErrNotFound, workload.ErrDuplicate, traffic.ErrOtherCanary} {
		if errors.Is(err, lasting) {
			return fmt.Errorf("%w: %w", release.ErrBroken, err)
		}
	}
	return err
}
