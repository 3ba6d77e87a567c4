package analysis

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// flowState has its rows one after the other as four numbers each, which compress
// well: from the end of the row before (the first: from 1970) to the start, and
// from there to the end, in nanoseconds; requests of stable and of the canary.
type flowState struct {
	Rows       []int64 `json:"rows,omitempty"`
	Failed     excess  `json:"failed"`
	GivenUp    excess  `json:"givenUp"`
	Unanswered excess  `json:"unanswered"`
}

const columns = 4

func (f *flow) save(rows int) flowState {
	s := flowState{Failed: f.failed, GivenUp: f.givenUp, Unanswered: f.unanswered}
	last := time.Unix(0, 0)
	for _, r := range f.coarse(rows) {
		s.Rows = append(s.Rows, int64(r.start.Sub(last)), int64(r.end.Sub(r.start)), int64(r.stable), int64(r.canary))
		last = r.end
	}
	return s
}

func (f *flow) load(s flowState) error {
	loaded := flow{total: s.Failed.Total, failed: s.Failed, givenUp: s.GivenUp, unanswered: s.Unanswered}
	if len(s.Rows)%columns != 0 {
		return fmt.Errorf("%d numbers of exposure", len(s.Rows))
	}
	for _, x := range []excess{s.Failed, s.GivenUp, s.Unanswered} {
		if err := x.validate(); err != nil {
			return err
		}
	}
	last := time.Unix(0, 0)
	var sum stats.Counts
	for n := range slices.Chunk(s.Rows, columns) {
		r := row{start: last.Add(time.Duration(n[0]))}
		r.end = r.start.Add(time.Duration(n[1]))
		r.stable, r.canary = uint64(n[2]), uint64(n[3])
		if err := (stats.Counts{StableTotal: r.stable, CanaryTotal: r.canary}).Validate(); err != nil {
			return err
		}
		sum.StableTotal, sum.CanaryTotal = sum.StableTotal+r.stable, sum.CanaryTotal+r.canary
		last = r.end
		loaded.rows = append(loaded.rows, r)
	}
	if stable, canary := s.Failed.Total.Stable.Requests, s.Failed.Total.Canary.Requests; sum.StableTotal != stable || sum.CanaryTotal != canary {
		return fmt.Errorf("%d and %d requests in all, %d and %d of them in intervals", stable, canary, sum.StableTotal, sum.CanaryTotal)
	}
	*f = loaded
	return nil
}

func (x excess) validate() error {
	if !(x.Spread >= 0) {
		return fmt.Errorf("a variance of %v", x.Spread)
	}
	stable, canary := x.Total.Stable, x.Total.Canary
	return stats.Counts{StableTotal: stable.Requests, StableBad: stable.Bad, CanaryTotal: canary.Requests, CanaryBad: canary.Bad}.Validate()
}

// coarse are at most n rows, of which the older are merged, as in stats.Ledger.
func (f *flow) coarse(n int) []row {
	n = max(n, fewestRows)
	if len(f.rows) <= n {
		return f.rows
	}
	older := len(f.rows) - (n+1)/2
	size := int(math.Ceil(float64(older) / float64(n/2)))
	var rows []row
	for group := range slices.Chunk(f.rows[:older], size) {
		sum := row{start: group[0].start, end: group[len(group)-1].end}
		for _, r := range group {
			sum.stable, sum.canary = sum.stable+r.stable, sum.canary+r.canary
		}
		rows = append(rows, sum)
	}
	return append(rows, f.rows[older:]...)
}

// trafficState is the test of the canary's share at this weight.
type trafficState struct {
	From   time.Time  `json:"from"`
	Share  float64    `json:"share"`
	Loose  string     `json:"loose,omitempty"`
	Above  string     `json:"above,omitempty"`
	Below  string     `json:"below,omitempty"`
	Total  uint64     `json:"total"`
	Canary uint64     `json:"canary"`
	Peak   stats.Peak `json:"peak"`
}

func (t *trafficShare) save() (*trafficState, error) {
	if t == nil {
		return nil, nil
	}
	s := &trafficState{From: t.from, Share: t.share, Loose: t.loose, Total: t.total, Canary: t.canary, Peak: t.peak}
	for _, side := range []struct {
		of   *stats.Absolute
		text *string
	}{{t.above, &s.Above}, {t.below, &s.Below}} {
		if side.of == nil {
			continue
		}
		text, err := side.of.MarshalText()
		if err != nil {
			return nil, err
		}
		*side.text = string(text)
	}
	return s, nil
}

func (s *trafficState) load() (*trafficShare, error) {
	if s == nil {
		return nil, nil
	}
	t := new(trafficShare)
	e := Expectation{Share: s.Share, From: s.From, Loose: s.Loose}
	if err := cmp.Or(e.validate(), t.expect(e)); err != nil {
		return nil, err
	}
	t.from, t.total, t.canary = s.From, s.Total, s.Canary
	if err := (stats.Counts{CanaryTotal: t.total, CanaryBad: t.canary}).Validate(); err != nil {
		return nil, err
	}
	for _, side := range []struct {
		of   *stats.Absolute
		text string
	}{{t.above, s.Above}, {t.below, s.Below}} {
		if side.of == nil {
			continue
		}
		if err := side.of.UnmarshalText([]byte(side.text)); err != nil {
			return nil, err
		}
	}
	return t, raise(&t.peak, s.Peak)
}
