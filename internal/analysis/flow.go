package analysis

import (
	"math"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// flow is how the requests of the first metric came: what the exposure of a step,
// the rate and the harm are read from. It decides nothing.
type flow struct {
	rows       []row
	total      Arms // what was answered, and what failed of it
	failed     excess
	givenUp    excess
	unanswered excess
}

// excess is what the canary had too many of, of one kind of bad requests.
type excess struct {
	Total  Arms    `json:"total"`
	Harm   float64 `json:"harm"`   // bad requests of the canary beyond those that stable's share predicts
	Spread float64 `json:"spread"` // variance of harm, of independent requests
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
	before := f.failed.Total
	f.failed.add(i)
	f.total = f.failed.Total
	f.rows = append(f.rows, row{i.Start, i.End, f.total.Stable.Requests - before.Stable.Requests, f.total.Canary.Requests - before.Canary.Requests})
}

// lose takes requests that were not answered.
func (f *flow) lose(i metrics.Interval) {
	switch i.Metric {
	case GivenUp:
		f.givenUp.add(i)
	case Unanswered:
		f.unanswered.add(i)
	}
}

// add compares with what stable did in the same interval and route: an outage
// that both share is not the canary's fault, whatever the weight was just then.
// The variance is that of the errors of both, split at random by their requests:
// with w the canary's share of N requests and E errors, the excess
//
//	e2 − n2·e1/n1 = (e2 − w·E)/(1−w)   has   E·w·(1−w)/(1−w)².
//
// Where stable had no request, what it did so far has to do.
func (x *excess) add(i metrics.Interval) {
	for _, c := range i.Strata {
		stable, canary := Arm{c.StableTotal, c.StableBad}, Arm{c.CanaryTotal, c.CanaryBad}
		n1, n2 := float64(stable.Requests), float64(canary.Requests)
		if n1 == 0 {
			x.Harm += float64(canary.Bad) - n2*x.Total.Stable.share(0)
			x.Spread += float64(canary.Bad)
		} else {
			x.Harm += float64(canary.Bad) - n2*stable.share(0)
			x.Spread += float64(stable.Bad+canary.Bad) * n2 / n1
		}
		x.Total = Arms{x.Total.Stable.plus(stable), x.Total.Canary.plus(canary)}
	}
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

// harm is the users that the canary cost: those whose requests failed, and those who
// got no answer, be it that they left or that they wait. Who waited for long and then
// left is in both of these, so the larger counts. Its standard error is by the
// dispersion of the requests.
func (f *flow) harm(phi float64) (harm, err float64) {
	silent := f.givenUp
	if f.unanswered.Harm > silent.Harm {
		silent = f.unanswered
	}
	return f.failed.Harm + silent.Harm, math.Sqrt((f.failed.Spread + silent.Spread) * phi)
}

// ended are all requests that were answered or given up, and of them those that failed
// or were given up.
func (f *flow) ended() Arms {
	with := func(answered, all Arm) Arm { return Arm{answered.Requests + all.Bad, answered.Bad + all.Bad} }
	return Arms{with(f.total.Stable, f.givenUp.Total.Stable), with(f.total.Canary, f.givenUp.Total.Canary)}
}
