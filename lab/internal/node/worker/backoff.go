package worker

import "time"

// Backoff bounds how long the node waits before it tries something again.
type Backoff struct {
	Initial time.Duration
	Max     time.Duration
}

// backoff is the kubelet's: the first restart is immediate, then the wait after
// an end is Initial, doubled from one to the next up to Max, and forgotten when
// a container has run for twice Max.
//
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
type backoff struct {
	Backoff
	wait    time.Duration
	started time.Time // of the run that ended last
}

// until returns when a container that ended then may start again.
func (b *backoff) until(ended time.Time) time.Time {
	if b.expired(ended) {
		return ended
	}
	return ended.Add(b.wait)
}

// next is to be called when it does start again.
func (b *backoff) next(ended, now time.Time) {
	switch {
	case b.wait == 0 || b.expired(ended):
		b.wait = b.Initial
	default:
		b.wait = min(2*b.wait, b.Max)
	}
	b.started = now
}

func (b *backoff) expired(ended time.Time) bool {
	return ended.Sub(b.started) > 2*b.Max
}
