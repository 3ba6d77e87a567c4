package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// HistoryConfig says what to read of the time that a Prometheus has stored.
type HistoryConfig struct {
	Profile metrics.Profile
	// Release is both versions, or stable alone.
	Release metrics.Release
	// Latency also reads the histograms, which are most of the samples.
	Latency  bool
	From, To time.Time
	// Chunk is how much time is asked for at once; zero is DefaultChunk. It is halved
	// where that is more than the server gives at once.
	Chunk time.Duration
	// Window, MaxGap and WarmUp are as in Config.
	Window, MaxGap, WarmUp time.Duration
	Guard                  metrics.GuardConfig
	// Progress is told how much of the time has been read; nil for nobody.
	Progress func(done, all time.Duration)
}

// DefaultChunk stays far below the 50 million samples that a Prometheus takes into
// one answer, and leastChunk is where it is no use to ask for less.
const (
	DefaultChunk = time.Hour
	leastChunk   = time.Minute
)

// History reads the intervals that lie between two times. Raw counters are
// differenced as Watch does it, so the intervals are the same. An error wraps
// metrics.ErrNoData or metrics.ErrUnavailable as those of a Stream do.
func (s *Server) History(ctx context.Context, c HistoryConfig) ([]metrics.Interval, error) {
	h, err := s.stored(c)
	if err != nil {
		return nil, err
	}
	for from, chunk := c.From.Add(-h.config.Window), h.config.Chunk; from.Before(c.To); {
		to := from.Add(chunk)
		if to.After(c.To) {
			to = c.To
		}
		err := h.read(ctx, from, to)
		switch {
		case err == nil:
			from = to
			h.progress(to)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case tooMuch(err) && chunk > leastChunk:
			chunk /= 2
		default:
			return nil, fmt.Errorf("%s, from %s to %s: %w", s.Name(), from.Format(time.RFC3339), to.Format(time.RFC3339), err)
		}
	}
	if err := metrics.NoData(h.meters...); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name(), err)
	}
	return h.intervals, nil
}

// stored is one reading of stored time.
type stored struct {
	server    *Server
	config    HistoryConfig
	guard     *metrics.Guard
	list      []query
	owner     metrics.Owner
	meters    []*metrics.Meter // in the order of the queries
	gauges    []gauges
	open      *metrics.OpenMeter // nil where there are none
	intervals []metrics.Interval
}

func (s *Server) stored(c HistoryConfig) (*stored, error) {
	if !c.From.Before(c.To) {
		return nil, fmt.Errorf("read stored metrics: %s is not before %s", c.From.Format(time.RFC3339), c.To.Format(time.RFC3339))
	}
	if c.Chunk <= 0 {
		c.Chunk = DefaultChunk
	}
	if c.Window <= 0 {
		c.Window = DefaultWindow
	}
	h := &stored{server: s, config: c, guard: metrics.NewGuard(c.Guard)}
	list, err := queries(c.Profile, []metrics.Release{c.Release})
	if err != nil {
		return nil, err
	}
	for _, q := range list {
		if q.metric == metrics.MetricErrors || c.Latency {
			h.list = append(h.list, q)
		}
	}
	if h.owner, err = c.Profile.Identity.Owner(c.Release); err != nil {
		return nil, err
	}
	config := metrics.DifferConfig{Release: c.Release, MaxGap: c.MaxGap, WarmUp: c.WarmUp}
	for _, q := range h.list {
		config.Metric, config.Before = q.metric, q.metric == metrics.MetricLatency
		m, err := metrics.NewMeter(c.Profile, config, c.From)
		if err != nil {
			return nil, err
		}
		h.meters = append(h.meters, m)
	}
	if h.gauges, err = gaugesOf(c.Profile, []metrics.Release{c.Release}); err != nil {
		return nil, err
	}
	h.open, err = metrics.NewOpenMeter(c.Profile, config, c.From)
	return h, err
}

// read takes one stretch of time. All metrics are read before any is counted, so
// that a stretch that has to be cut is counted once.
func (h *stored) read(ctx context.Context, from, to time.Time) error {
	answers := make([]reply, len(h.list))
	var err error
	for i, q := range h.list {
		if answers[i], err = h.ask(ctx, q.after(answers[:i], h.owner), from, to); err != nil {
			return err
		}
	}
	var open []metrics.Point
	for _, g := range h.gauges {
		answer, err := h.ask(ctx, g.selector, from, to)
		if err != nil {
			return err
		}
		open = append(open, mine(h.config.Release, g.owners[0], points(answer.series))...)
	}
	var found []metrics.Interval
	for i := range h.list {
		own := mine(h.config.Release, h.owner, points(answers[i].series))
		found = append(found, h.meters[i].Read(own)...)
		open = append(open, own...)
	}
	if h.open != nil {
		found = append(found, h.open.Read(open)...)
	}
	h.intervals = append(h.intervals, found...)
	return nil
}

// ask asks for the samples of a stretch of time.
func (h *stored) ask(ctx context.Context, selector string, from, to time.Time) (answer reply, err error) {
	query := url.Values{
		"query": {fmt.Sprintf("%s[%dms]", selector, to.Sub(from).Milliseconds())},
		"time":  {fmt.Sprintf("%d.%03d", to.Unix(), to.Nanosecond()/int(time.Millisecond))},
	}
	var long error // no use to ask for that again
	err = h.guard.Do(ctx, func(ctx context.Context) (err error) {
		answer, err = h.server.matrix(ctx, query)
		if errors.Is(err, errTooLong) {
			long, err = err, nil
		}
		return err
	})
	return answer, errors.Join(long, err)
}

func (h *stored) progress(to time.Time) {
	if tell := h.config.Progress; tell != nil {
		tell(max(0, to.Sub(h.config.From)), h.config.To.Sub(h.config.From))
	}
}

// tooMuch reports whether less time might be answered: the answer was too long, or
// the server refused the query for what it would load. One that is overloaded, or
// not there, is not asked in smaller pieces.
func tooMuch(err error) bool {
	return errors.Is(err, errTooLong) || errors.Is(err, errRefused) && !errors.Is(err, metrics.ErrUnavailable)
}
