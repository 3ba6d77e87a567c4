package main

import (
	"context"
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// outcome is how one judge ended one release.
type outcome struct {
	at     float64 // minute of the rollback; infinite if there was none
	canary float64 // requests to the canary till then
	excess float64 // failures of users that stable would have spared them, till then
}

// tally is how one judge ended all releases of a world.
type tally struct {
	judge    string
	outcomes []outcome
}

// releases simulates so many releases of a world for an hour, each seen by every
// contender, on all processors. The result does not depend on their number.
func releases(ctx context.Context, w world, count int, all []contender) []tally {
	tallies := make([]tally, len(all))
	for i, c := range all {
		tallies[i] = tally{c.name, make([]outcome, count)}
	}
	inParallel(ctx, count, func(run int) {
		s := newSource(w, seedOf(w.name), uint64(run))
		history := make([]observation, hour)
		for i := range history {
			history[i] = s.next(float64(i-hour)/perMinute, scrape)
		}
		trial := make([]observation, hour)
		for i := range trial {
			trial[i] = s.next(float64(i)/perMinute, scrape)
		}
		for i, c := range all {
			tallies[i].outcomes[run] = judged(c.start(history), trial)
		}
	})
	return tallies
}

func judged(j judge, trial []observation) outcome {
	end := outcome{at: math.Inf(+1)}
	for i, o := range trial {
		end.canary += float64(o.counts.CanaryTotal)
		end.excess += o.excess
		if j.rollBack(o) {
			end.at = float64(i+1) / perMinute
			break
		}
	}
	return end
}

// inParallel calls do for 0 to count-1 and returns when all calls have.
func inParallel(ctx context.Context, count int, do func(int)) {
	var (
		wait sync.WaitGroup
		next = make(chan int)
	)
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := 0; i < count && ctx.Err() == nil; i++ {
		next <- i
	}
	close(next)
	wait.Wait()
}

// seedOf keeps the draws of a world when others are added or removed.
func seedOf(name string) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for _, b := range []byte(name) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

// rolledBack is the share of releases rolled back up to a minute.
func (t tally) rolledBack(minute float64) (k, n int) {
	for _, o := range t.outcomes {
		if o.at <= minute {
			k++
		}
	}
	return k, len(t.outcomes)
}

// interval is the exact one of the share rolled back within the hour, at 95%.
func (t tally) interval() (share float64, i stats.Interval) {
	k, n := t.rolledBack(hour / perMinute)
	return float64(k) / float64(n), stats.ClopperPearson(k, n, 0.95)
}

// quantile of something of the outcomes: with 0.5 the median.
func (t tally) quantile(q float64, of func(outcome) float64) float64 {
	values := make([]float64, len(t.outcomes))
	for i, o := range t.outcomes {
		values[i] = of(o)
	}
	slices.Sort(values)
	return values[min(len(values)-1, int(q*float64(len(values))))]
}

func (t tally) meanExcess() float64 {
	var sum float64
	for _, o := range t.outcomes {
		sum += o.excess
	}
	return sum / float64(len(t.outcomes))
}

func find(tallies []tally, judge string) tally {
	return tallies[slices.IndexFunc(tallies, func(t tally) bool { return t.judge == judge })]
}
