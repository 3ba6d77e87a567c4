package analysis

import (
	"math"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// flow is how the requests of the first metric came: what the exposure of a step,
// the rate and the harm are read from. It decides nothing.
type flow struct {
	rows   []row
	total  Arms
	harm   float64 // bad requests of the canary beyond those that stable's share predicts
	spread float64 // variance of harm, of independent requests
}

// row is one interval, or some that were merged.
type row struct {
	start, end     time.Time
	stable, canary uint64 // requests
}

// Arms are both versions.
type Arms struct {
	Stable Arm `json:"stable"`
	Canary Arm `json:"canary"`
}

// recent is how far back a rate looks.
const recent = 30 * time.Second

func (f *flow) add(i metrics.Interval) {
	var now Arms
	for _, c := range i.Strata {
		now.Stable = now.Stable.plus(Arm{c.StableTotal, c.StableBad})
		now.Canary = now.Canary.plus(Arm{c.CanaryTotal, c.CanaryBad})
		f.blame(Arm{c.StableTotal, c.StableBad}, Arm{c.CanaryTotal, c.CanaryBad})
	}
	f.rows = append(f.rows, row{i.Start, i.End, now.Stable.Requests, now.Canary.Requests})
	f.total = Arms{f.total.Stable.plus(now.Stable), f.total.Canary.plus(now.Canary)}
}

// blame compares with what stable did in the same interval and route: an outage
// that both share is not the canary's fault, whatever the weight was just then.
// The variance is that of the errors of both, split at random by their requests:
// with w the canary's share of N requests and E errors, the excess
//
//	e2 − n2·e1/n1 = (e2 − w·E)/(1−w)   has   E·w·(1−w)/(1−w)².
//
// Where stable had no request, what it did so far has to do.
func (f *flow) blame(stable, canary Arm) {
	n1, n2 := float64(stable.Requests), float64(canary.Requests)
	if n1 == 0 {
		f.harm += float64(canary.Bad) - n2*f.total.Stable.share(0)
		f.spread += float64(canary.Bad)
		return
	}
	f.harm += float64(canary.Bad) - n2*stable.share(0)
	f.spread += float64(stable.Bad+canary.Bad) * n2 / n1
}

func (a Arm) plus(b Arm) Arm { return Arm{a.Requests + b.Requests, a.Bad + b.Bad} }

// share of the requests that were bad.
func (a Arm) share(ofNone float64) float64 {
	if a.Requests == 0 {
		return ofNone
	}
	return float64(a.Bad) / float64(a.Requests)
}

// lately are the requests of both versions in the last 30 s that were counted, or
// in the last interval where that was longer, and the time and intervals they took.
func (f *flow) lately() (stable, canary uint64, took time.Duration, intervals int) {
	for k := len(f.rows) - 1; k >= 0; k-- {
		r := f.rows[k]
		if k < len(f.rows)-1 && f.rows[len(f.rows)-1].end.Sub(r.start) > recent {
			break
		}
		stable, canary = stable+r.stable, canary+r.canary
		took += r.end.Sub(r.start)
		intervals++
	}
	return stable, canary, took, intervals
}

// since is what the canary answered in rows that began at or after a time.
func (f *flow) since(t time.Time) uint64 {
	var sum uint64
	for k := len(f.rows) - 1; k >= 0 && f.rows[k].end.After(t); k-- {
		if !f.rows[k].start.Before(t) {
			sum += f.rows[k].canary
		}
	}
	return sum
}

// harmError is the standard error of harm, by the dispersion of the requests.
func (f *flow) harmError(phi float64) float64 { return math.Sqrt(f.spread * phi) }
