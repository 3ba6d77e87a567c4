package lease

import (
	"context"
	"errors"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Wait acquires the lease as soon as it can be, and returns the state that was
// saved with it. It tells who holds it, at first and whenever that is another.
func (l *Lease) Wait(ctx context.Context, told func(HeldError)) (saved string, err error) {
	saved, err = l.Acquire(ctx)
	var held *HeldError
	if !errors.As(err, &held) {
		return saved, err
	}
	told(*held)
	watching, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	news := make(chan struct{}, 1)
	hear := l.listen(held.Holder, news)
	wg.Go(func() { l.watch().Run(watching, hear) })
	pause := held.Ends
	for {
		timer := l.Clock.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return "", ctx.Err()
		case <-news:
		case <-timer.C():
		}
		timer.Stop()
		who := held.Holder
		saved, err = l.Acquire(ctx)
		switch {
		case errors.As(err, &held):
			pause = held.Ends
			if held.Holder != who {
				told(*held)
			}
		case err != nil && ctx.Err() == nil && passing(err):
			pause = time.Second
		default:
			return saved, err
		}
	}
}

// listen tells when there may be something to acquire, or another holds the lease,
// and takes note of renewals: a holder that was seen to renew is alive, whatever
// its clock says.
func (l *Lease) listen(who string, news chan<- struct{}) func([]*unstructured.Unstructured, error) {
	return func(objects []*unstructured.Unstructured, err error) {
		if err != nil {
			return // it is tried again
		}
		if len(objects) > 0 {
			r := recordOf(objects[0])
			l.mu.Lock()
			defer l.mu.Unlock()
			l.look(r)
			if !l.free(r) && r.Identity == who {
				return
			}
			who = r.Identity
		}
		select {
		case news <- struct{}{}:
		default:
		}
	}
}

// passing reports whether an error of the API server is one that it may not
// answer the next time.
func passing(err error) bool {
	switch {
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err), apierrors.IsInvalid(err),
		apierrors.IsBadRequest(err), apierrors.IsNotFound(err), apierrors.IsMethodNotSupported(err):
		return false
	}
	return true
}
