package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/canaryctl/canaryctl/internal/kube"
)

// Keep renews the lease that we took, each time with the state, until the context
// ends: that is its error. ErrLost where another engine has taken it, which is
// noticed at once; ErrTooLarge where the state is too large: the lease is still ours,
// and Keep may be called again. One that ran out while the API server did not answer,
// and that nobody took, is still ours too: a release that is driven no more is worse
// off than one whose engine waits with it, and no writes of two engines can mix.
func (l *Lease) Keep(ctx context.Context, state func() State) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { l.watch().Run(ctx, l.suspect) })
	pause := l.Renew - l.Clock.Since(l.renewed())
	for {
		if err := l.rest(ctx, pause); err != nil {
			return err
		}
		err := l.renew(ctx, state())
		switch {
		case err == nil:
			pause = l.Renew
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrLost), errors.Is(err, ErrTooLarge):
			return err
		default:
			pause = l.Renew / 5
		}
	}
}

// Save renews the lease, and so saves the state, without waiting until it is time.
func (l *Lease) Save() {
	select {
	case l.urgent <- struct{}{}:
	default: // it is asked for already
	}
}

// rest waits until it is time to renew, or somebody asks for it.
func (l *Lease) rest(ctx context.Context, pause time.Duration) error {
	if pause <= 0 {
		return ctx.Err()
	}
	timer := l.Clock.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-l.urgent:
	case <-timer.C():
	}
	return nil
}

func (l *Lease) renewed() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since
}

// renew writes the lease once. A server that does not answer must not take the
// time that the other tries need, nor more than there is.
func (l *Lease) renew(ctx context.Context, state State) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	patience := l.Renew
	if left := l.Duration - l.Clock.Since(l.since); left > 0 {
		patience = min(patience, left)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if l.held == nil {
		return fmt.Errorf("renew %s: %w: it was never taken", l, ErrLost)
	}
	for range attempts {
		next := l.ours(l.held)
		if err := save(next, state); err != nil {
			return err
		}
		err := l.write(ctx, next)
		if err == nil || !raced(err) {
			return err
		}
		if err := l.reread(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("renew %s: somebody else changed it %d times meanwhile", l, attempts)
}

// suspect renews at once where the lease seems not to be ours. What a watch says
// may be old, and only a write that the API server refuses tells for sure.
func (l *Lease) suspect(objects []*unstructured.Unstructured, err error) {
	if err == nil && (len(objects) == 0 || recordOf(objects[0]).Identity != l.Identity) {
		l.Save()
	}
}

// watch paces itself by the system's clock: what it waits for is the API server,
// and a reflector that waits does not look at its context.
func (l *Lease) watch() kube.Watch {
	return kube.Watch{
		Client: l.Client, Resource: kube.Leases(), Namespace: l.Namespace,
		Fields: fields.OneTermEqualSelector("metadata.name", l.object()).String(),
	}
}
