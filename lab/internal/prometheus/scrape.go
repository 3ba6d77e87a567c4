package prometheus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/model/value"
)

// run scrapes the target until ctx ends, and marks its series as stale then.
func (t *target) run(ctx context.Context, store *store, client *http.Client) {
	ticker := time.NewTicker(t.interval)
	defer ticker.Stop()
	for {
		t.scrape(ctx, store, client)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.end(time.Now())
			return
		}
	}
}

// scrape reads the target once and stores what it says, or that it is down.
func (t *target) scrape(ctx context.Context, store *store, client *http.Client) {
	start := time.Now()
	bounded, cancel := context.WithTimeout(ctx, t.timeout())
	defer cancel()
	body, contentType, err := t.fetch(bounded, client)
	if ctx.Err() != nil {
		return
	}
	at, samples := start.UnixMilli(), 0

	t.mu.Lock()
	defer t.mu.Unlock()
	t.round++
	if err == nil {
		samples, err = t.ingest(store, body, contentType, at)
	}
	t.stale(at)
	t.last, t.took, t.err, t.scraped = start, time.Since(start), err, true
	up := 1.0
	if err != nil {
		up = 0
	}
	t.report(store, at, up, samples)
}

// report stores the series that Prometheus makes of every scrape.
func (t *target) report(store *store, at int64, up float64, samples int) {
	values := []float64{up, t.took.Seconds(), float64(samples)}
	for i, name := range []string{"up", "scrape_duration_seconds", "scrape_samples_scraped"} {
		if len(t.own) == i {
			t.own = append(t.own, nil)
		}
		if t.own[i] == nil || t.own[i].dropped() {
			named := labels.NewBuilder(t.labels).Set(model.MetricNameLabel, name).Labels()
			made, err := store.series(named)
			if err != nil {
				t.err = err
				return
			}
			t.own[i] = made
		}
		t.own[i].append(sample{t: at, v: values[i]})
	}
}

// pending is a sample of an answer that is not known to be whole yet.
type pending struct {
	to *cached
	at sample
}

// ingest parses an exposition and appends its samples: all of them, or none of
// an answer that breaks off.
func (t *target) ingest(store *store, body []byte, contentType string, at int64) (int, error) {
	parser, err := textparse.New(body, contentType, labels.NewSymbolTable(), textparse.ParserOptions{
		KeepClassicOnClassicAndNativeHistograms: true,
		OpenMetricsSkipSTSeries:                 true,
		FallbackContentType:                     "text/plain",
	})
	if parser == nil {
		return 0, fmt.Errorf("parse the answer: %w", err)
	}
	batch := make([]pending, 0, len(t.cache))
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, fmt.Errorf("parse the answer: %w", err)
		}
		var next pending
		switch entry {
		case textparse.EntrySeries:
			name, own, v := parser.Series()
			next.at = sample{t: timestamp(own, at), v: v}
			next.to, err = t.find(store, parser, string(name))
		case textparse.EntryHistogram:
			name, own, h, floats := parser.Histogram()
			next.at = sample{t: timestamp(own, at), h: h, floats: floats}
			next.to, err = t.find(store, parser, string(name)+"\xff") // may have the name of a classic series
		case textparse.EntryType, textparse.EntryHelp, textparse.EntryUnit:
			t.describe(parser, entry)
			continue
		default:
			continue
		}
		if err != nil {
			return 0, err
		}
		batch = append(batch, next)
	}
	for _, p := range batch {
		p.to.round = t.round
		p.to.series.append(p.at)
	}
	return len(batch), nil
}

func timestamp(own *int64, at int64) int64 {
	if own != nil {
		return *own
	}
	return at
}

// find returns where the samples go of the series that the target writes as key.
func (t *target) find(store *store, parser textparse.Parser, key string) (*cached, error) {
	known := t.cache[key]
	if known == nil || known.series.dropped() {
		var exposed labels.Labels
		parser.Labels(&exposed)
		found, err := store.series(mergeLabels(exposed, t.labels, t.honor))
		if err != nil {
			return nil, err
		}
		known = &cached{series: found}
		t.cache[key] = known
	}
	return known, nil
}

// mergeLabels adds the target's labels to those of a series. Where both have a
// name, the series' own becomes exported_NAME, or wins if it is honored.
func mergeLabels(exposed, target labels.Labels, honor bool) labels.Labels {
	b := labels.NewBuilder(exposed)
	target.Range(func(l labels.Label) {
		own := exposed.Get(l.Name)
		switch {
		case own == "":
			b.Set(l.Name, l.Value)
		case !honor:
			b.Set(l.Name, l.Value)
			b.Set("exported_"+l.Name, own)
		}
	})
	return b.Labels()
}

// stale ends the series that the last scrape no longer had.
func (t *target) stale(at int64) {
	for key, c := range t.cache {
		if c.round != t.round {
			c.series.end(at)
			delete(t.cache, key)
		}
	}
}

// end marks everything of the target as stale.
func (t *target) end(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.round++
	t.stale(now.UnixMilli())
	for _, s := range t.own {
		if s != nil {
			s.end(now.UnixMilli())
		}
	}
}

// end writes Prometheus' staleness marker: queries see nothing from here on,
// instead of the last value for five minutes more.
func (s *series) end(at int64) {
	marker := sample{t: at, v: math.Float64frombits(value.StaleNaN)}
	if s.native() { // a marker of the same kind keeps the chunk going
		marker.h = &histogram.Histogram{Sum: marker.v}
	}
	s.append(marker)
}

// describe notes what the target says about a metric.
func (t *target) describe(parser textparse.Parser, entry textparse.Entry) {
	var name []byte
	var change func(*metadata)
	switch entry {
	case textparse.EntryType:
		n, kind := parser.Type()
		name, change = n, func(m *metadata) { m.Type = string(kind) }
	case textparse.EntryHelp:
		n, help := parser.Help()
		name, change = n, func(m *metadata) { m.Help = string(help) }
	default:
		n, unit := parser.Unit()
		name, change = n, func(m *metadata) { m.Unit = string(unit) }
	}
	m := t.metadata[string(name)]
	change(&m)
	t.metadata[string(name)] = m
}

func readLimited(r io.Reader, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case int64(len(body)) > limit:
		return nil, fmt.Errorf("read the answer: more than %d bytes", limit)
	}
	return body, nil
}
