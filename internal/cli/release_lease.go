package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/lease"
	"github.com/canaryctl/canaryctl/internal/release"
	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// keeper is a lease as an engine wants it.
type keeper struct{ *lease.Lease }

func (k keeper) Keep(ctx context.Context, saved func() release.Saved) error {
	err := k.Lease.Keep(ctx, func() lease.State { return stateOf(saved()) })
	if errors.Is(err, lease.ErrTooLarge) { // the evidence can be read again; who drives must be known
		return k.Lease.Keep(ctx, func() lease.State {
			s := stateOf(saved())
			s.Evidence = ""
			return s
		})
	}
	return err
}

// stateOf is what an engine knows, as a lease carries it.
func stateOf(s release.Saved) lease.State {
	state := lease.State{Evidence: s.Evidence, Waits: s.Waits}
	if s.Known != nil {
		if text, err := json.Marshal(s.Known); err == nil {
			state.Known = string(text)
		}
	}
	return state
}

// acquire takes the lease, with the evidence that the engine before saved. While
// another engine has it this one stands by, says who drives, and shows the release;
// over says that it ended meanwhile.
func (d *runner) acquire(ctx context.Context, l *lease.Lease, route traffic.Route) (evidence string, over bool, err error) {
	if d.takeOver {
		evidence, err = l.TakeOver(ctx)
		return evidence, false, err
	}
	waiting, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	watched := make(chan error, 1)
	standing := false
	evidence, err = l.Wait(waiting, func(held lease.HeldError) {
		fmt.Fprintf(d.f.Err, "%s drives %s; standing by, to take over if it stops (--take-over does so at once)\n", held.Holder, route)
		if standing || steer.Running(route) == nil { // nothing to watch: whoever has the lease began none yet, or died before
			return
		}
		standing = true
		go func() {
			watched <- lookOn(waiting, d.f, route)
			stop(errWatched)
		}()
	})
	stop(nil)
	if !standing {
		return evidence, false, err
	}
	ended := <-watched
	switch {
	case err == nil:
		fmt.Fprintf(d.f.Err, "%s is driven here now\n", route)
		return evidence, false, nil
	case ctx.Err() == nil && errors.Is(context.Cause(waiting), errWatched):
		return "", true, ended
	}
	return "", false, err
}

// errWatched ends a stand-by: the release that was watched is over.
var errWatched = errors.New("the release is over")

// lost is the error of an engine whose lease another took.
func (d *runner) lost(err error) error {
	return hint.Wrap(fmt.Errorf("%w; it goes on there", err), "canaryctl status -w watches it, canaryctl resume --take-over takes it back")
}

// identity tells this process from all others that may drive.
func identity(f *Factory) string {
	return fmt.Sprintf("%s/%d-%04x", machine(f), os.Getpid(), rand.Uint32N(1<<16))
}

// machine is who drives, and where.
func machine(f *Factory) string {
	host, err := os.Hostname()
	if err != nil {
		return person(f)
	}
	return person(f) + "@" + host
}
