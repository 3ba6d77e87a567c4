package metrics

import (
	"errors"
	"slices"
	"time"
)

// Prompt is a Stream that may read its counters when it is asked, and not when
// they are scraped by somebody else.
type Prompt interface {
	Stream
	Prompt() bool
}

// Pace says when to ask a Stream next, so that a scrape is noticed soon after it
// is made and the server is not asked for nothing. Scrapes come at a steady pace:
// from the ends of intervals it learns how long that is, and from when they were
// found how long after a scrape its samples can be read. It then asks once, just
// after the next is due. As long as it succeeds it asks a little sooner each time;
// where it was too soon, it asks again every 50 to 100 ms, for about a second, and
// from then on as often as without a pace. Before the second scrape, too, it asks
// every 50 to 100 ms, for some seconds.
//
// Where the Pods of the two versions are scraped at different moments, an interval
// ends with the later of both, and the pace is that one's: what the other's scrape
// has shown waits for it, by less than one scrape. There are no more intervals than
// scrapes of one version.
//
// It compares the source's clock with ours only by what was found when, so it does
// not matter how wrong either is. It is not safe for concurrent use.
type Pace struct {
	source Stream
	every  time.Duration

	ends    map[string]time.Time // of the newest interval, by metric
	latest  time.Time            // of all
	periods []time.Duration      // between the latest ends
	aim     time.Duration        // after the end of an interval, by the source's clock, it is asked for, by ours
	aimed   bool                 // aim is known
	step    time.Duration        // sooner, next time
	misses  int                  // since the latest was found
	late    int                  // scrapes in a row that came too late for the quick tries
}

const (
	quickly  = 50 * time.Millisecond  // the first tries after a miss
	again    = 100 * time.Millisecond // those after them
	quickFew = 4
	quickAll = 12 // tries in all: about a second
	firstAll = 40 // tries until the very first scrape, and again until the second

	firstStep = 64 * time.Millisecond // doubles, so that it is soon where it should be
	smallStep = 4 * time.Millisecond
	periodsOf = 9 // the median of so many is not moved by a scrape that failed
)

// NewPace is for a source that is to be asked so often while no scrape is
// foreseen, such as every second; one that is Prompt always is.
func NewPace(source Stream, every time.Duration) *Pace {
	return &Pace{source: source, every: every, ends: map[string]time.Time{}, step: firstStep}
}

// Next takes what the source has answered just now, and returns how long to wait
// until it is asked again. A source in trouble is asked as often as without a pace;
// one that knows nothing yet may with the next scrape.
func (p *Pace) Next(now time.Time, got []Interval, err error) time.Duration {
	prompt, is := p.source.(Prompt)
	if trouble := err != nil && !errors.Is(err, ErrNoData); trouble || is && prompt.Prompt() {
		return p.every
	}
	before := p.latest
	p.learn(got)
	period := p.period()
	switch {
	case period == 0:
		return p.first(before)
	case p.latest.After(before):
		p.found(now)
		return max(quickly, p.until(now, period))
	}
	if wait := p.until(now, period); wait > 0 {
		return min(wait, max(p.every, period)) // asked for another reason
	}
	switch p.misses++; {
	case p.misses <= quickFew:
		return quickly
	case p.misses <= quickAll:
		return again
	}
	return p.every
}

// first is for the time before there are two scrapes to tell a pace from. It looks
// closely for a while: a canary that is bad enough is found out by the third, or
// sooner, and nobody should have to wait for a look.
func (p *Pace) first(before time.Time) time.Duration {
	if p.latest.After(before) {
		p.misses = 0
	}
	switch p.misses++; {
	case p.misses > firstAll:
		return p.every
	case p.latest.IsZero():
		return min(again, p.every)
	}
	return min(quickly, p.every)
}

// until is how long it is until the next scrape should be there.
func (p *Pace) until(now time.Time, period time.Duration) time.Duration {
	return p.latest.Add(period + p.aim).Sub(now)
}

// found sets the aim by when an interval was there. What came after the quick
// tries was late by itself; if the next is too, scrapes take that long now.
func (p *Pace) found(now time.Time) {
	lag := now.Sub(p.latest)
	switch {
	case !p.aimed:
		p.aim, p.aimed = lag, true
	case p.misses == 0:
		p.aim = min(p.aim, lag) - p.step
		p.step = min(2*p.step, max(p.period()/4, smallStep))
		p.late = 0
	case p.misses <= quickAll:
		p.aim, p.step, p.late = lag, smallStep, 0
	default:
		if p.late++; p.late > 1 {
			p.aim, p.step, p.late = lag, firstStep, 0
		}
	}
	p.misses = 0
}

// learn notes the ends of intervals, each metric's by itself: not all are scraped
// together.
func (p *Pace) learn(got []Interval) {
	for _, i := range got {
		if i.Before {
			continue
		}
		last, known := p.ends[i.Metric]
		if !i.End.After(last) {
			continue
		}
		if known && i.Metric == got[0].Metric {
			p.periods = append(p.periods, i.End.Sub(last))
		}
		p.ends[i.Metric] = i.End
		if i.End.After(p.latest) {
			p.latest = i.End
		}
	}
	p.periods = p.periods[max(0, len(p.periods)-periodsOf):]
}

// period is the usual time between two scrapes; 0 while it is not known.
func (p *Pace) period() time.Duration {
	if len(p.periods) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(p.periods))
	return sorted[len(sorted)/2]
}
