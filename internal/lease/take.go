package lease

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/kube"
)

// attempts is how often a write is tried that somebody else gets in the way of.
const attempts = 10

// Acquire takes the lease where it is free, has ended, or is ours, and returns
// the state that was saved with it, "" for none. A HeldError where another engine
// is alive.
func (l *Lease) Acquire(ctx context.Context) (saved string, err error) {
	return l.take(ctx, func(r record) error {
		if l.free(r) {
			return nil
		}
		return l.heldBy(r)
	})
}

// TakeOver takes the lease, whoever holds it, and returns the state that was saved
// with it. That holder's Keep ends with ErrLost.
func (l *Lease) TakeOver(ctx context.Context) (saved string, err error) {
	return l.take(ctx, func(record) error { return nil })
}

// take writes the lease in our name unless forbids says otherwise of it.
func (l *Lease) take(ctx context.Context, forbids func(record) error) (saved string, err error) {
	if l.Identity == "" {
		return "", errors.New("take a lease: it needs an identity")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for range attempts {
		o, err := l.client().Get(ctx, l.object(), metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			o = l.blank()
		case err != nil:
			return "", fmt.Errorf("read %s: %w", l, err)
		default:
			r := recordOf(o)
			l.look(r)
			if err := forbids(r); err != nil {
				return "", err
			}
			saved = r.state
		}
		err = l.write(ctx, l.ours(o))
		if err == nil {
			return saved, nil
		}
		if !raced(err) {
			return "", err
		}
	}
	return "", fmt.Errorf("take %s: somebody else changed it %d times meanwhile", l, attempts)
}

// raced reports whether a write was refused because of somebody else's.
func raced(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err)
}

// write stores the lease, which is ours then, if it is still as it was read.
func (l *Lease) write(ctx context.Context, o *unstructured.Unstructured) error {
	begun := l.Clock.Now()
	var after *unstructured.Unstructured
	var err error
	if o.GetResourceVersion() == "" {
		after, err = l.client().Create(ctx, o, metav1.CreateOptions{FieldManager: kube.FieldManager})
	} else {
		after, err = l.client().Update(ctx, o, metav1.UpdateOptions{FieldManager: kube.FieldManager})
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", l, err)
	}
	l.held, l.since = after, begun
	l.look(recordOf(after))
	return nil
}

// Release gives the lease up at once and leaves the state in it, for whoever is
// next; an empty one leaves none. A lease that is not ours any more it leaves
// alone. Call it once Keep has returned.
func (l *Lease) Release(ctx context.Context, state State) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range attempts {
		if l.held == nil {
			return nil
		}
		next := l.nobodys(l.held)
		if err := save(next, state); err != nil {
			return err
		}
		err := l.write(ctx, next)
		if err == nil {
			l.held = nil
			return nil
		}
		if !raced(err) {
			return err
		}
		if err := l.reread(ctx); err != nil {
			if errors.Is(err, ErrLost) {
				l.held = nil
				return nil
			}
			return err
		}
	}
	return fmt.Errorf("give up %s: somebody else changed it %d times meanwhile", l, attempts)
}

// reread looks at the lease after a write was refused: it may be ours still, for
// an answer can be lost, and others may add labels. ErrLost where it is not; one
// that was deleted is ours to make anew.
func (l *Lease) reread(ctx context.Context) error {
	o, err := l.client().Get(ctx, l.object(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		l.held = l.blank()
		return nil
	case err != nil:
		return fmt.Errorf("read %s: %w", l, err)
	}
	if r := recordOf(o); r.Identity != l.Identity {
		return lostTo(r)
	}
	l.held = o
	return nil
}
