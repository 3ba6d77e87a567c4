package prometheus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// Config says what to watch in a Prometheus.
type Config struct {
	Profile  metrics.Profile
	Releases []metrics.Release
	// Since is how far back to begin; zero is now.
	Since time.Duration
	// Window is how far back queries look beyond what is new, so that each series
	// has a sample in it to count from. It should hold two scrapes. Once it is known
	// how often is scraped, two scrapes and a little more take its place.
	Window time.Duration
	// MaxGap, WarmUp and Within are as in metrics.DifferConfig.
	MaxGap, WarmUp, Within time.Duration
	Guard                  metrics.GuardConfig
	// Now is the clock; nil is the real one.
	Now func() time.Time
}

// DefaultWindow holds two scrapes of the slowest usual interval, 30 s or 1 min.
const DefaultWindow = 2*time.Minute + 10*time.Second

// maxLookback bounds what is asked for after a long time without an answer.
const maxLookback = time.Hour

// Watcher reads raw counters of any number of releases with one query per metric, and
// one more for gauges of open requests where there are any.
// It is safe for concurrent use.
type Watcher struct {
	server *Server
	config Config
	guard  *metrics.Guard
	list   []query
	gauges []gauges

	mu      sync.Mutex
	asked   time.Time // when the last answer was asked for; zero before the first
	told    time.Time // by the server's clock, when it answered; zero if it did not say
	rounds  int
	failed  error // of the last round
	streams []*stream
}

// Watch prepares a Watcher. It sends no request.
func (s *Server) Watch(c Config) (*Watcher, error) {
	if len(c.Releases) == 0 {
		return nil, errors.New("watch metrics: no release is named")
	}
	if c.Window <= 0 {
		c.Window = DefaultWindow
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	list, err := queries(c.Profile, c.Releases)
	if err != nil {
		return nil, err
	}
	w := &Watcher{server: s, config: c, guard: metrics.NewGuard(c.Guard), list: list}
	for _, r := range c.Releases {
		owner, err := c.Profile.Identity.Owner(r)
		if err != nil {
			return nil, err
		}
		w.streams = append(w.streams, &stream{watcher: w, release: r, owner: owner})
	}
	if w.gauges, err = gaugesOf(c.Profile, c.Releases); err != nil {
		return nil, err
	}
	return w, nil
}

// Streams returns one stream for each release, in their order. They share their
// queries: when each is asked in turn, Prometheus is asked once.
func (w *Watcher) Streams() []metrics.Stream {
	all := make([]metrics.Stream, len(w.streams))
	for i, s := range w.streams {
		all[i] = s
	}
	return all
}

// stream is one release's share of what the Watcher reads.
type stream struct {
	watcher *Watcher
	release metrics.Release
	owner   metrics.Owner
	meters  []*metrics.Meter // in the order of the queries
	open    *metrics.OpenMeter
	ready   []metrics.Interval
	round   int
}

// Next implements metrics.Stream.
func (s *stream) Next(ctx context.Context) ([]metrics.Interval, error) {
	w := s.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.round == w.rounds {
		w.failed = w.poll(ctx)
		w.rounds++
	}
	s.round = w.rounds
	ready := s.ready
	s.ready = nil
	if w.failed != nil && len(ready) == 0 {
		return nil, fmt.Errorf("%s: %w", w.server.Name(), w.failed)
	}
	if err := metrics.NoData(s.meters...); err != nil {
		return nil, fmt.Errorf("%s: %w", w.server.Name(), err)
	}
	return ready, nil
}

// owners tell the releases' series apart.
func (w *Watcher) owners() []metrics.Owner {
	all := make([]metrics.Owner, len(w.streams))
	for i, s := range w.streams {
		all[i] = s.owner
	}
	return all
}

// poll asks for what is new since the last answer. All metrics are read before
// any is counted, so that an answer that fails is asked for again in full.
func (w *Watcher) poll(ctx context.Context) error {
	now := w.config.Now()
	lookback := w.lookback(now)
	open, err := w.readGauges(ctx, lookback) // first: what ended by then is in the answers after it
	if err != nil {
		return err
	}
	answers := make([]reply, len(w.list))
	for i, q := range w.list {
		err := w.guard.Do(ctx, func(ctx context.Context) (err error) {
			answers[i], err = w.server.raw(ctx, q.after(answers[:i], w.owners()...), lookback)
			return err
		})
		if err != nil {
			return err
		}
	}
	if w.asked.IsZero() {
		if err := w.begin(answers[0].at, now); err != nil {
			return err
		}
	}
	long, err := w.readSent(ctx, answers, open, lookback)
	if err != nil {
		return err
	}
	w.asked, w.told = now, answers[0].at
	ended, found := make([][]metrics.Point, len(w.streams)), make([][]metrics.Interval, len(w.streams))
	for i := range w.list {
		all := points(answers[i].series)
		for n, s := range w.streams {
			own := mine(s.release, s.owner, all)
			found[n] = append(found[n], s.meters[i].Read(own)...)
			ended[n] = append(ended[n], own...)
		}
	}
	for n, s := range w.streams {
		ended[n] = append(ended[n], mine(s.release, s.owner, long)...)
		s.ready = append(append(s.ready, found[n]...), w.dealGauges(n, ended[n], open)...)
	}
	return nil
}

// lookback is how far back the next query looks. The window is a large one where
// little is known; a look a second at all of it would keep the server busy, and
// whoever decodes the answer.
func (w *Watcher) lookback(now time.Time) time.Duration {
	if w.asked.IsZero() {
		return w.config.Since + w.config.Window
	}
	whole := min(now.Sub(w.asked), maxLookback) + w.config.Window
	since, known := w.since()
	if !known || w.told.IsZero() {
		return whole
	}
	server := w.told.Add(now.Sub(w.asked) + time.Second) // the header is cut to whole seconds
	return min(whole, max(server.Sub(since).Round(time.Second), time.Second))
}

// since is from when on samples may be new to any of the meters, as far as they
// know of something that is read.
func (w *Watcher) since() (since time.Time, known bool) {
	type reader interface {
		Since() (time.Time, bool)
	}
	for _, s := range w.streams {
		readers := make([]reader, 0, len(s.meters)+1)
		for _, m := range s.meters {
			readers = append(readers, m)
		}
		if s.open != nil {
			readers = append(readers, s.open)
		}
		for _, r := range readers {
			from, ok := r.Since()
			if !ok {
				return time.Time{}, false
			}
			if !from.IsZero() && (since.IsZero() || from.Before(since)) {
				since = from
			}
		}
	}
	return since, !since.IsZero()
}

// begin starts all meters, by the server's clock: samples bear its times, and
// ours may be wrong.
func (w *Watcher) begin(server, own time.Time) error {
	begin := own
	if !server.IsZero() {
		begin = server.Add(time.Second) // the header is cut to whole seconds
	}
	begin = begin.Add(-w.config.Since)
	for _, s := range w.streams {
		config := metrics.DifferConfig{Release: s.release, MaxGap: w.config.MaxGap, WarmUp: w.config.WarmUp, Within: w.config.Within}
		s.meters = nil
		for _, q := range w.list {
			config.Metric, config.Before = q.metric, q.metric == metrics.MetricLatency
			m, err := metrics.NewMeter(w.config.Profile, config, begin)
			if err != nil {
				return err
			}
			s.meters = append(s.meters, m)
		}
		var err error
		if s.open, err = metrics.NewOpenMeter(w.config.Profile, config, begin); err != nil {
			return err
		}
	}
	return nil
}

// mine are the points of a release.
func mine(r metrics.Release, owner metrics.Owner, all []metrics.Point) []metrics.Point {
	var own []metrics.Point
	for _, p := range all {
		version, ok := owner.Version(p.Labels)
		if !ok {
			continue
		}
		p.Version = version
		if r.PodOf(version, p.Labels["pod"]) { // else it is whoever sent the requests on
			p.Pod = p.Labels["pod"]
		}
		own = append(own, p)
	}
	return own
}
