package prometheus

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
)

// store keeps samples in memory: Prometheus' own compressed chunks, found
// through an index of label values. It is small where the tsdb is large: no
// disk, no write-ahead log, no blocks, because the lab's data end with the lab.
type store struct {
	retention time.Duration
	maxSeries int
	maxBytes  int

	mu     sync.RWMutex
	byHash map[uint64][]*series
	index  map[string]map[string]map[*series]struct{} // label name, value
	count  int
	bytes  int // at the last sweep
}

// errTooManySeries refuses a series that the store has no room for.
var errTooManySeries = errors.New("the store has no room for another series")

func newStore(retention time.Duration, maxSeries, maxBytes int) *store {
	return &store{
		retention: retention,
		maxSeries: maxSeries,
		maxBytes:  maxBytes,
		byHash:    map[uint64][]*series{},
		index:     map[string]map[string]map[*series]struct{}{},
	}
}

// series returns the series with exactly these labels, made if need be.
func (s *store) series(ls labels.Labels) (*series, error) {
	hash := ls.Hash()
	s.mu.RLock()
	found := s.find(hash, ls)
	s.mu.RUnlock()
	if found != nil {
		return found, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if found = s.find(hash, ls); found != nil {
		return found, nil
	}
	if s.count >= s.maxSeries {
		return nil, fmt.Errorf("%w: it holds %d; the first refused is %s", errTooManySeries, s.count, ls)
	}
	made := &series{labels: ls}
	s.byHash[hash] = append(s.byHash[hash], made)
	ls.Range(func(l labels.Label) { s.posting(l)[made] = struct{}{} })
	s.count++
	return made, nil
}

func (s *store) find(hash uint64, ls labels.Labels) *series {
	for _, candidate := range s.byHash[hash] {
		if labels.Equal(candidate.labels, ls) {
			return candidate
		}
	}
	return nil
}

// posting is the set of the series that have the label.
func (s *store) posting(l labels.Label) map[*series]struct{} {
	values := s.index[l.Name]
	if values == nil {
		values = map[string]map[*series]struct{}{}
		s.index[l.Name] = values
	}
	set := values[l.Value]
	if set == nil {
		set = map[*series]struct{}{}
		values[l.Value] = set
	}
	return set
}

// sample is one value of a series: a histogram if one of them is set.
type sample struct {
	t      int64 // milliseconds since 1970
	v      float64
	h      *histogram.Histogram
	floats *histogram.FloatHistogram
}

// append adds a sample under the labels; see series.append.
func (s *store) append(ls labels.Labels, at sample) error {
	to, err := s.series(ls)
	if err == nil {
		to.append(at)
	}
	return err
}

// sweep forgets what is older than the retention, and more of the past when the
// samples take more room than they may, or the series of Pods that are gone leave
// little for those to come. It returns the time from which samples are kept.
func (s *store) sweep(now time.Time) time.Time {
	keep := s.retention
	horizon := now.Add(-keep)
	for s.drop(horizon.UnixMilli()); s.crowded() && keep > time.Minute; s.drop(horizon.UnixMilli()) {
		keep = keep * 9 / 10
		horizon = now.Add(-keep)
	}
	return horizon
}

// crowded reports whether the next minute may find no room.
func (s *store) crowded() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.bytes > s.maxBytes || s.count > s.maxSeries*3/4
}

// drop forgets all chunks that end before the time, and the series that have
// none left.
func (s *store) drop(before int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes = 0
	for hash, bucket := range s.byHash {
		kept := bucket[:0]
		for _, candidate := range bucket {
			if size := candidate.drop(before); size > 0 {
				s.bytes += size
				kept = append(kept, candidate)
				continue
			}
			s.forget(candidate)
		}
		if len(kept) == 0 {
			delete(s.byHash, hash)
			continue
		}
		clear(bucket[len(kept):])
		s.byHash[hash] = kept
	}
}

func (s *store) forget(gone *series) {
	s.count--
	gone.labels.Range(func(l labels.Label) {
		values := s.index[l.Name]
		delete(values[l.Value], gone)
		if len(values[l.Value]) == 0 {
			delete(values, l.Value)
		}
		if len(values) == 0 {
			delete(s.index, l.Name)
		}
	})
}
