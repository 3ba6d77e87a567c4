package lease

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// View is what a Lease says of who drives, to those who look on. The zero value is
// nobody.
type View struct {
	Holder // the last one, be it gone by now
	// Alive says that it has renewed the lease lately enough: at the first look by its
	// own clock, from then on by ours.
	Alive bool
	// Known and Waits are what it said last, as State has them.
	Known, Waits string
}

// View reads the Lease.
func (l *Lease) View(ctx context.Context) (View, error) {
	o, err := l.client().Get(ctx, l.object(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return View{}, nil
	}
	if err != nil {
		return View{}, fmt.Errorf("read %s, which says who drives the release: %w", l, err)
	}
	r := recordOf(o)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.look(r)
	return View{
		Holder: r.Holder, Alive: r.Identity != "" && l.ends(r) > 0,
		Known: o.GetAnnotations()[knownAnnotation], Waits: o.GetAnnotations()[waitsAnnotation],
	}, nil
}

// viewEvery is how often a lease is looked at that should be renewed in seconds.
const viewEvery = 500 * time.Millisecond

// AwaitRenewal looks until whoever holds the lease renews it, which it returns as alive,
// or until nobody does. One that was killed holds it for as long as it said at its last
// renewal, and drives no more. Waiting is told once, where there is anything to wait for.
func (l *Lease) AwaitRenewal(ctx context.Context, waiting func(View)) (View, error) {
	began := l.Clock.Now()
	var last View
	for first := true; ; first = false {
		now, err := l.View(ctx)
		renewed := now.Renewed.After(began) || !first && now.Holder != last.Holder
		if err != nil || !now.Alive || renewed {
			return now, err
		}
		if first {
			waiting(now)
		}
		last = now
		select {
		case <-ctx.Done():
			return last, ctx.Err()
		case <-l.Clock.After(viewEvery):
		}
	}
}
