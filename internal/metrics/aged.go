package metrics

import (
	"math"
	"time"
)

// Requests that have been open for longer than any answer should take are counted
// from below, so that no answer is taken for a hanging one. Of those that were open
// at some time, at most as many have ended since as ended in all, and where the
// process's own histogram tells how long those took, at most as many as took so long.
// What is left has been open ever since. Those that ended after so long, since their
// users left, the histogram has.

// reading is what one reader had of one version's requests at one time.
type reading struct {
	at    time.Time
	open  uint64
	ended uint64 // since the process began, of all routes
	took  took   // what ended, as far as a histogram tells
	// maybe are requests that ended without anybody saying whose they were: they may
	// be of this version.
	maybe uint64
}

// aged counts what a process leaves unanswered, by readings of the past.
type aged struct {
	past  []reading // from the last one that is old enough on
	gone  int64     // that ended after they had been open for too long
	first int64     // that had been open for too long at the first look; -1 before it
	most  int64     // with those that are gone, at any one time since, beyond the first
}

func newAged() aged { return aged{first: -1} }

// normal is what is known of requests that are answered.
type normal struct {
	age   time.Duration // after which one is not; zero for unknown
	timed bool          // histograms tell them from those that are not
}

// read takes a reading, and forgets those that no age will ask for.
func (a *aged) read(r reading, age time.Duration) {
	a.past = append(a.past, r)
	a.forget(r.at.Add(-max(age, maxAge)))
}

// take returns how many more have been open for longer than the age than at any time
// before. Where no age is known nothing is counted.
func (a *aged) take(n normal) (more uint64) {
	a.gone += int64(a.late(n))
	stuck, known := a.stuck(n)
	switch {
	case !known:
		return 0
	case a.first < 0:
		a.first = stuck
	}
	if beyond := a.gone + stuck - a.first; beyond > a.most {
		more = uint64(beyond - a.most)
		a.most = beyond
	}
	return more
}

// late are at least so many of those that ended by the last reading and not by the one
// before. What the histograms have beyond the counters was there before, and unread.
func (a *aged) late(n normal) uint64 {
	if n.age <= 0 || !n.timed || len(a.past) < 2 {
		return 0
	}
	before, last := &a.past[len(a.past)-2], &a.past[len(a.past)-1]
	ended, took := last.ended-before.ended, last.took.total-min(last.took.total, before.took.total)
	late := last.took.slower(&before.took, n.age.Seconds())
	return late - min(late, took-min(took, ended))
}

// stuck are at least so many of those that were open when they count as unanswered by
// now, and still are. Whoever is, was at every time between.
func (a *aged) stuck(n normal) (stuck int64, known bool) {
	if n.age <= 0 {
		return 0, false
	}
	i := a.before(a.past[len(a.past)-1].at.Add(-n.age))
	if i < 0 {
		return 0, false
	}
	for old := i - 1; old >= 0 && a.past[old].took.above != nil; old-- {
		a.past[old].took = took{} // histograms are large
	}
	readings := a.past[i:]
	first, last := &readings[0], &readings[len(readings)-1]
	ended := last.ended - first.ended
	if n.timed {
		ended = crossed(readings)
	}
	stuck = int64(first.open) - int64(ended) - int64(last.maybe-first.maybe)
	for _, r := range readings {
		stuck = min(stuck, int64(r.open))
	}
	return max(stuck, 0), true
}

// before is the last reading that is not after a time; -1 for none.
func (a *aged) before(t time.Time) int {
	for i := len(a.past) - 1; i >= 0; i-- {
		if !a.past[i].at.After(t) {
			return i
		}
	}
	return -1
}

// forget drops what no age will ask for.
func (a *aged) forget(t time.Time) {
	if i := a.before(t); i > 0 {
		a.past = a.past[i:]
	}
}

const (
	// minAge is the least time after which a request counts as unanswered.
	minAge = 5 * time.Second
	// maxAge is the longest: where answers take minutes, nothing tells a request that
	// hangs from others.
	maxAge = 10 * time.Minute
	// manyTimes the mean is longer than answers take, but for few.
	manyTimes = 3
	// halfLife is what the latest past of stable weighs by.
	halfLife = 10 * time.Second
)

// pacing learns how long stable takes to answer, by Little's law: the mean time in a
// system is the mean number in it, by the rate at which they leave
// (https://doi.org/10.1287/opre.9.3.383).
type pacing struct {
	whole, lately stay
	at            time.Time
	within        time.Duration // that answers may take, whatever stable's do
	// held says that more than a few requests of stable were open for longer than the
	// age, by its histograms: streams, say, of which a canary will have as many in time.
	held        bool
	late, ended uint64
}

// stay is the time that requests were open for, in seconds of all of them together,
// and how many ended.
type stay struct{ seconds, ended float64 }

func (s *stay) add(seconds, ended float64) { s.seconds, s.ended = s.seconds+seconds, s.ended+ended }

// learn takes what happened between two readings of a process of stable.
func (p *pacing) learn(before, now reading) {
	if passed := now.at.Sub(p.at); passed > 0 && !p.at.IsZero() {
		fade := math.Exp2(-float64(passed) / float64(halfLife))
		p.lately.seconds, p.lately.ended = p.lately.seconds*fade, p.lately.ended*fade
	}
	if now.at.After(p.at) {
		p.at = now.at
	}
	seconds, ended := float64(before.open)*now.at.Sub(before.at).Seconds(), float64(now.ended-before.ended)
	p.whole.add(seconds, ended)
	p.lately.add(seconds, ended)
}

// age is how long a request must have been open to count as unanswered; zero while
// nobody knows, and where answers take too long to tell.
func (p *pacing) age() time.Duration {
	if p.whole.ended == 0 {
		return 0
	}
	age := max(minAge.Seconds(), p.within.Seconds(), manyTimes*p.mean())
	if age > maxAge.Seconds() {
		return 0
	}
	return time.Duration(age * float64(time.Second))
}

// normal is what the requests of a version are compared with.
func (p *pacing) normal() normal { return normal{p.age(), !p.held} }

// hold notices what stable holds open; few are that are less than a thousandth.
func (p *pacing) hold(a *aged) {
	n := p.normal()
	if p.held || n.age <= 0 {
		return
	}
	if k := len(a.past) - 1; k > 0 {
		p.ended += a.past[k].ended - a.past[k-1].ended
		p.late += a.late(n)
	}
	stuck, _ := a.stuck(n)
	p.held = stuck > 0 || p.late > fewLate && p.late > p.ended/1000
}

// fewLate may be late whatever the others do.
const fewLate = 3

// mean is the time that requests are open for, in seconds; no number before one ended.
func (p *pacing) mean() float64 {
	mean := p.whole.seconds / p.whole.ended
	if p.lately.seconds > 0 {
		mean = max(mean, p.lately.seconds/max(p.lately.ended, math.SmallestNonzeroFloat64))
	}
	return mean
}
