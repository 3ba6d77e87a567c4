package release

import "time"

// A step may have begun by another clock than goes on with it: another machine's,
// or this one's before somebody set it. What is behind makes a step shorter, which
// its exposure makes good. What is ahead would make it last until the clocks agree.

// began is when the present step began, by this engine's clock. Where that lies in
// the future, it is when this was first seen.
func (e *Engine) began(now time.Time) time.Time {
	since := e.now().Since
	if !since.After(now) {
		return since
	}
	if !e.ahead.Equal(since) || e.aheadSeen.After(now) {
		e.ahead, e.aheadSeen = since, now
	}
	return e.aheadSeen
}

// counting is from when on the present step's requests count. The source has a clock
// of its own, by which it may have begun all the same.
func (e *Engine) counting(now time.Time) time.Time {
	if since := e.now().Since; !since.After(e.evidence.analysis.End()) {
		return since
	}
	return e.began(now)
}
