package prometheus

import (
	"slices"
	"sync"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// samplesPerChunk is Prometheus' own figure; at one sample a second a chunk is
// two minutes.
const samplesPerChunk = 120

// series is the samples of one set of labels, in order of time.
type series struct {
	labels labels.Labels

	mu       sync.Mutex
	chunks   []chunk // the last is open
	appender chunkenc.Appender
	gone     bool // dropped from the store: whoever held on to it asks anew
}

// chunk is a run of samples of one kind.
type chunk struct {
	data chunkenc.Chunk
	min  int64
	max  int64
}

// append adds a sample, unless it is not newer than the last one.
func (s *series) append(at sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	encoding := chunkenc.EncXOR
	switch {
	case at.h != nil:
		encoding = chunkenc.EncHistogram
	case at.floats != nil:
		encoding = chunkenc.EncFloatHistogram
	}
	prior, started := s.appender, false
	if n := len(s.chunks); n > 0 {
		last := &s.chunks[n-1]
		if at.t <= last.max {
			return
		}
		started = last.data.Encoding() == encoding && last.data.NumSamples() < samplesPerChunk
	}
	if !started {
		s.open(encoding, at.t)
	} else {
		prior = nil // only a new chunk looks back for a counter reset
	}
	s.write(prior, at)
	s.chunks[len(s.chunks)-1].max = at.t
}

func (s *series) open(encoding chunkenc.Encoding, t int64) {
	if n := len(s.chunks); n > 0 {
		s.chunks[n-1].data.Compact()
	}
	data, err := chunkenc.NewEmptyChunk(encoding)
	if err == nil {
		s.appender, err = data.Appender()
	}
	if err != nil {
		panic("open a chunk of a known encoding: " + err.Error())
	}
	s.chunks = append(s.chunks, chunk{data: data, min: t})
}

// write appends to the open chunk. A histogram whose buckets changed makes the
// appender recode the chunk, or start another one.
func (s *series) write(prior chunkenc.Appender, at sample) {
	var made chunkenc.Chunk
	var recoded bool
	switch {
	case at.h != nil:
		made, recoded, s.appender, _ = s.appender.AppendHistogram(prior, 0, at.t, at.h, false)
	case at.floats != nil:
		made, recoded, s.appender, _ = s.appender.AppendFloatHistogram(prior, 0, at.t, at.floats, false)
	default:
		s.appender.Append(0, at.t, at.v)
	}
	switch {
	case made == nil:
	case recoded:
		s.chunks[len(s.chunks)-1].data = made
	default:
		s.chunks = append(s.chunks, chunk{data: made, min: at.t})
	}
}

// drop forgets the chunks that end before the time and returns the size of the
// rest in bytes; 0 means that nothing is left.
func (s *series) drop(before int64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := slices.IndexFunc(s.chunks, func(c chunk) bool { return c.max >= before })
	if first < 0 {
		s.gone = true
		return 0
	}
	s.chunks = slices.Delete(s.chunks, 0, first)
	size := 0
	for _, c := range s.chunks {
		size += len(c.data.Bytes())
	}
	return size
}

// between returns the chunks that overlap with the range. The open one is
// copied, because it is still written to.
func (s *series) between(from, to int64) []chunk {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []chunk
	for i, c := range s.chunks {
		if c.max < from || c.min > to {
			continue
		}
		if i == len(s.chunks)-1 {
			copied, err := chunkenc.FromData(c.data.Encoding(), slices.Clone(c.data.Bytes()))
			if err != nil {
				panic("copy a chunk: " + err.Error())
			}
			c.data = copied
		}
		found = append(found, c)
	}
	return found
}

func (s *series) dropped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

// native says whether the last sample is a histogram.
func (s *series) native() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.chunks) > 0 && s.chunks[len(s.chunks)-1].data.Encoding() != chunkenc.EncXOR
}
