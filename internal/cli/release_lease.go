package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/lease"
	"github.com/canaryctl/canaryctl/internal/release"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// keeper is a lease as an engine wants it.
type keeper struct{ *lease.Lease }

func (k keeper) Keep(ctx context.Context, saved func() release.Saved) error {
	return k.Lease.Keep(ctx, func() lease.State {
		s := saved()
		return lease.State{Evidence: s.Evidence, Known: s.Known, Waits: s.Waits}
	})
}

// acquire takes the lease. While another engine has it this one stands by, says
// who drives, and follows what happens; nil where the release ended meanwhile.
func (d *runner) acquire(ctx context.Context, l *lease.Lease, route traffic.Route) (*lease.State, error) {
	if d.takeOver {
		state, err := l.TakeOver(ctx)
		return &state, err
	}
	state, err := l.Acquire(ctx)
	held, isHeld := errors.AsType[*lease.HeldError](err)
	if !isHeld {
		return &state, err
	}
	return d.standBy(ctx, l, route, held)
}

// standBy waits for the lease, and ends when there is nothing left to drive.
func (d *runner) standBy(ctx context.Context, l *lease.Lease, route traffic.Route, held *lease.HeldError) (*lease.State, error) {
	fmt.Fprintf(d.f.Err, "%s drives %s; this one watches, and goes on should that one be gone (--take-over drives at once)\n", held.Holder, route)
	waiting, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	over := make(chan error, 1)
	go func() {
		err := lookOn(waiting, d.f, route)
		stop(errFollowed)
		over <- err
	}()
	state, err := l.Wait(waiting)
	stop(nil)
	followed := <-over
	switch {
	case err == nil:
		fmt.Fprintf(d.f.Err, "%s is gone; this one drives %s now\n", held.Holder, route)
		return &state, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(context.Cause(waiting), errFollowed):
		return nil, followed
	}
	return nil, err
}

// errFollowed ends a stand-by: the release that was watched is over.
var errFollowed = errors.New("the release is over")

// lost is the error of an engine whose lease another took.
func (d *runner) lost(err error) error {
	return hint.Wrap(fmt.Errorf("%w; it goes on there", err), "canaryctl status -w watches it, canaryctl resume --take-over takes it back")
}

// leaseName is that of the lease of a route.
func leaseName(route traffic.Route) string { return lease.NameOf(route.Name) }

// identity tells this process from all others that may drive.
func identity(f *Factory) string {
	return fmt.Sprintf("%s/%d-%04x", machine(f), os.Getpid(), rand.Uint32N(1<<16)) //nolint:gosec // not a secret
}

// ownerOf has the lease go with the route.
func ownerOf(route traffic.Route) *metav1.OwnerReference {
	o, ok := route.Raw.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	return &metav1.OwnerReference{APIVersion: o.GetAPIVersion(), Kind: o.GetKind(), Name: o.GetName(), UID: o.GetUID()}
}

// machine is who drives, and where.
func machine(f *Factory) string {
	host, err := os.Hostname()
	if err != nil {
		return person(f)
	}
	return person(f) + "@" + host
}
