package hook

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

const (
	firstWait = 500 * time.Millisecond // at most, before the second attempt; it doubles
	mostWait  = 10 * time.Second
	mostAfter = time.Minute // of what a server may ask for by Retry-After
)

// backoff is the wait before another attempt: anything up to a limit that
// doubles, so that those who failed together do not come back together ("full
// jitter"), and never sooner than the server asked for, within reason.
//
// https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
func (c Config) backoff(tried int, after time.Duration) time.Duration {
	limit := min(firstWait<<min(tried, 10), mostWait)
	return max(time.Duration(c.Jitter()*float64(limit)), min(after, mostAfter))
}

// retryAfter reads the header of that name: seconds, or a date (RFC 9110,
// 10.2.3); zero for neither.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(seconds, 0), int(mostAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// pause waits on the clock. It returns false where the context ended first.
func (c Config) pause(ctx context.Context, d time.Duration) bool {
	timer := c.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-ctx.Done():
		return false
	}
}
