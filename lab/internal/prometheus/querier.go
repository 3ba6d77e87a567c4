package prometheus

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"
)

// Querier implements storage.Queryable: it gives the PromQL engine the samples
// of a range of time.
func (s *store) Querier(from, to int64) (storage.Querier, error) {
	return &querier{store: s, from: from, to: to}, nil
}

type querier struct {
	store    *store
	from, to int64
}

func (q *querier) Close() error { return nil }

// Select returns the series that all matchers hold for and that have samples in
// the range.
func (q *querier) Select(_ context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	from, to := q.from, q.to
	if hints != nil {
		from, to = hints.Start, hints.End
	}
	set := &seriesSet{at: -1}
	for _, s := range q.store.match(matchers) {
		if chunks := s.between(from, to); len(chunks) > 0 {
			set.found = append(set.found, &selected{s.labels, chunks})
		}
	}
	if sorted {
		slices.SortFunc(set.found, func(a, b *selected) int { return labels.Compare(a.labels, b.labels) })
	}
	return set
}

// match finds the series that all matchers hold for: it walks the smallest set
// that an equality names, and asks the rest of the matchers of each.
func (s *store) match(matchers []*labels.Matcher) []*series {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*series
	for candidate := range s.smallest(matchers) {
		holds := true
		for _, m := range matchers {
			if holds = m.Matches(candidate.labels.Get(m.Name)); !holds {
				break
			}
		}
		if holds {
			found = append(found, candidate)
		}
	}
	return found
}

func (s *store) smallest(matchers []*labels.Matcher) map[*series]struct{} {
	var best map[*series]struct{}
	narrowed := false
	for _, m := range matchers {
		if m.Type != labels.MatchEqual || m.Value == "" {
			continue
		}
		if set := s.index[m.Name][m.Value]; !narrowed || len(set) < len(best) {
			best, narrowed = set, true
		}
	}
	if narrowed {
		return best
	}
	best = map[*series]struct{}{}
	for _, bucket := range s.byHash {
		for _, candidate := range bucket {
			best[candidate] = struct{}{}
		}
	}
	return best
}

// LabelValues returns the values that a label has, in order.
func (q *querier) LabelValues(_ context.Context, name string, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	values := map[string]bool{}
	q.each(matchers, func(s *series) {
		if v := s.labels.Get(name); v != "" {
			values[v] = true
		}
	})
	return limited(values, hints), nil, nil
}

// LabelNames returns the names of the labels in use, in order.
func (q *querier) LabelNames(_ context.Context, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	names := map[string]bool{}
	q.each(matchers, func(s *series) { s.labels.Range(func(l labels.Label) { names[l.Name] = true }) })
	return limited(names, hints), nil, nil
}

// each visits the matching series that have samples in the range.
func (q *querier) each(matchers []*labels.Matcher, visit func(*series)) {
	for _, s := range q.store.match(matchers) {
		if s.overlaps(q.from, q.to) {
			visit(s)
		}
	}
}

func (s *series) overlaps(from, to int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.chunks, func(c chunk) bool { return c.max >= from && c.min <= to })
}

func limited(set map[string]bool, hints *storage.LabelHints) []string {
	all := slices.Sorted(maps.Keys(set))
	if hints != nil && hints.Limit > 0 && len(all) > hints.Limit {
		all = all[:hints.Limit]
	}
	return all
}

// seriesSet hands out the result of a Select.
type seriesSet struct {
	found []*selected
	at    int
}

func (s *seriesSet) Next() bool                        { s.at++; return s.at < len(s.found) }
func (s *seriesSet) At() storage.Series                { return s.found[s.at] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

// selected is a series as it was when it was selected.
type selected struct {
	labels labels.Labels
	chunks []chunk
}

func (s *selected) Labels() labels.Labels { return s.labels }

func (s *selected) Iterator(chunkenc.Iterator) chunkenc.Iterator {
	return &iterator{rest: s.chunks, Iterator: chunkenc.NewNopIterator()}
}

// iterator walks chunk after chunk; the embedded one is of the current chunk.
type iterator struct {
	chunkenc.Iterator
	rest []chunk
	kind chunkenc.ValueType
}

// Next steps to the next sample.
func (i *iterator) Next() chunkenc.ValueType {
	for {
		if i.kind = i.Iterator.Next(); i.kind != chunkenc.ValNone || len(i.rest) == 0 {
			return i.kind
		}
		i.advance()
	}
}

// millis is a time in milliseconds since 1970. The name keeps go vet from taking
// the engine's Seek for io.Seeker's.
type millis = int64

// Seek steps to the first sample at or after t, and stays where it is there.
func (i *iterator) Seek(t millis) chunkenc.ValueType {
	if i.kind != chunkenc.ValNone && i.AtT() >= t {
		return i.kind
	}
	// Chunks in between cannot hold the sample: do not decode them.
	skip, _ := slices.BinarySearchFunc(i.rest, t, func(c chunk, t int64) int { return cmp.Compare(c.max, t) })
	if i.kind = i.Iterator.Seek(t); i.kind != chunkenc.ValNone {
		return i.kind
	}
	for i.rest = i.rest[skip:]; len(i.rest) > 0; {
		i.advance()
		if i.kind = i.Iterator.Seek(t); i.kind != chunkenc.ValNone {
			return i.kind
		}
	}
	return chunkenc.ValNone
}

func (i *iterator) advance() {
	i.Iterator = i.rest[0].data.Iterator(nil)
	i.rest = i.rest[1:]
}
