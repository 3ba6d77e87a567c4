package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// scraped is a Prometheus in simulated time, of two versions whose Pods it scrapes
// at different moments. Its clock differs from ours.
type scraped struct {
	period, skew time.Duration
	phases       [2]time.Duration // of the versions, after a multiple of the period
	fails        float64          // probability of a scrape that is missing
	slow         time.Duration    // until a sample can be read, at most
	silent       [2]time.Duration // nothing is scraped from, until
	random       *rand.Rand

	until time.Duration    // scrapes are made up to here
	last  [2]time.Duration // scrape of each version
	open  time.Duration    // start of the open interval
	ready []arrival        // not told yet
}

// arrival is an interval, and when it can be read, since the beginning.
type arrival struct {
	interval metrics.Interval
	at       time.Duration
}

var epoch = time.Unix(1_800_000_000, 0)

// pass makes the scrapes up to a time, and the intervals that they complete: once
// both versions have been scraped since the last.
func (s *scraped) pass(now time.Duration) {
	for ; s.until <= now; s.until += s.period {
		order := []int{0, 1}
		if s.phases[0] > s.phases[1] {
			order = []int{1, 0}
		}
		for _, version := range order {
			at := s.until + s.phases[version]
			if s.random.Float64() < s.fails || at >= s.silent[0] && at < s.silent[1] {
				continue
			}
			s.last[version] = at
			if s.last[0] <= s.open || s.last[1] <= s.open {
				continue
			}
			visible := at + time.Duration(s.random.Float64()*float64(s.slow))
			start := epoch.Add(s.skew + s.open).Truncate(time.Millisecond)
			end := epoch.Add(s.skew + at).Truncate(time.Millisecond)
			for _, metric := range []string{"errors", "latency le=0.25"} {
				s.ready = append(s.ready, arrival{metrics.Interval{Metric: metric, Start: start, End: end}, visible})
			}
			s.open = at
		}
	}
}

// ask returns what can be read, and how long it could have been.
func (s *scraped) ask(now time.Duration) (got []metrics.Interval, waited time.Duration) {
	s.pass(now)
	for len(s.ready) > 0 && s.ready[0].at <= now {
		got = append(got, s.ready[0].interval)
		waited = max(waited, now-s.ready[0].at)
		s.ready = s.ready[1:]
	}
	return got, waited
}

// follow asks for a time as the pace says, each time taking a little for the
// answer, and returns the delays of what was found and how often it asked.
func follow(s *scraped, p *metrics.Pace, from, to time.Duration) (delays []time.Duration, asked int) {
	for now := from; now < to; {
		got, waited := s.ask(now)
		asked++
		if len(got) > 0 {
			delays = append(delays, waited)
		}
		now += time.Duration(2+s.random.IntN(4)) * time.Millisecond
		now += p.Next(epoch.Add(now), got, nil)
	}
	return delays, asked
}

func quantile(delays []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(delays))
	return sorted[int(q*float64(len(sorted)-1))]
}

// After some scrapes the next is noticed at once, with hardly more than one look
// for each, whatever their pace, their phases, and the clocks.
func TestPaceFollowsScrapes(t *testing.T) {
	for _, period := range []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second} {
		for _, test := range []struct {
			phases [2]time.Duration
			skew   time.Duration
			fails  float64
			slow   time.Duration
		}{
			{slow: 20 * time.Millisecond},
			{phases: [2]time.Duration{0, period / 3}, slow: 20 * time.Millisecond},
			{phases: [2]time.Duration{period * 9 / 10, 0}, skew: 5 * time.Minute, slow: 60 * time.Millisecond},
			{phases: [2]time.Duration{0, period / 2}, skew: -5 * time.Minute, fails: 0.02, slow: 20 * time.Millisecond},
		} {
			t.Run(fmt.Sprintf("%s %+v", period, test), func(t *testing.T) {
				s := &scraped{period: period, phases: test.phases, skew: test.skew, fails: test.fails, slow: test.slow, random: rand.New(rand.NewPCG(1, uint64(period)))}
				p := metrics.NewPace(nil, time.Second)
				const learns, scrapes = 12, 200
				follow(s, p, 0, learns*period)
				delays, asked := follow(s, p, learns*period, (learns+scrapes)*period)
				if median := quantile(delays, 0.5); median > 50*time.Millisecond {
					t.Errorf("half of the scrapes are noticed %s late", median)
				}
				if late := quantile(delays, 0.9); late > 120*time.Millisecond {
					t.Errorf("a tenth of the scrapes are noticed %s late", late)
				}
				perScrape := float64(asked) / float64(len(delays))
				// A scrape of either version that fails costs the quick tries, and one each second;
				// of so few scrapes half as many again may fail.
				if most := 1.6 + 3*test.fails*(12+period.Seconds()); perScrape > most {
					t.Errorf("%.2f looks for each scrape, of at most %.1f", perScrape, most)
				}
				if float64(len(delays)) < 0.95*scrapes*(1-2*test.fails) {
					t.Errorf("%d looks found something, of %d scrapes", len(delays), scrapes)
				}
				t.Logf("late by %s, a tenth by %s; %.2f looks for each", quantile(delays, 0.5), quantile(delays, 0.9), perScrape)
			})
		}
	}
}

// What takes longer to appear from some time on is followed too.
func TestPaceFollowsASourceThatBecomesSlow(t *testing.T) {
	s := &scraped{period: 5 * time.Second, slow: time.Millisecond, random: rand.New(rand.NewPCG(2, 2))}
	p := metrics.NewPace(nil, time.Second)
	follow(s, p, 0, time.Minute)
	s.phases = [2]time.Duration{1500 * time.Millisecond, 1500 * time.Millisecond} // another phase
	follow(s, p, time.Minute, 2*time.Minute)
	delays, asked := follow(s, p, 2*time.Minute, 7*time.Minute)
	if median := quantile(delays, 0.5); median > 50*time.Millisecond || asked > 2*len(delays) {
		t.Errorf("half of the scrapes are noticed %s late, with %d looks for %d", median, asked, len(delays))
	}
}

// While nothing comes it is asked once a second, and found again when it does.
func TestPaceOfASilentSource(t *testing.T) {
	s := &scraped{period: time.Second, slow: 10 * time.Millisecond, random: rand.New(rand.NewPCG(3, 3)), silent: [2]time.Duration{time.Minute, 6 * time.Minute}}
	p := metrics.NewPace(nil, time.Second)
	follow(s, p, 0, time.Minute)
	if _, asked := follow(s, p, time.Minute, 6*time.Minute); asked > 300+15 {
		t.Errorf("a source without news was asked %d times in 300 seconds", asked)
	}
	follow(s, p, 6*time.Minute, 6*time.Minute+10*time.Second)
	delays, _ := follow(s, p, 6*time.Minute+10*time.Second, 7*time.Minute)
	if median := quantile(delays, 0.5); median > 50*time.Millisecond {
		t.Errorf("half of the scrapes after a silence are noticed %s late", median)
	}
}

type prompt bool

func (p prompt) Next(context.Context) ([]metrics.Interval, error) { return nil, nil }
func (p prompt) Prompt() bool                                     { return bool(p) }

func TestPaceWithoutScrapes(t *testing.T) {
	intervals := func(n int) []metrics.Interval {
		end := epoch.Add(time.Duration(n) * 10 * time.Second)
		return []metrics.Interval{{Metric: "errors", Start: end.Add(-10 * time.Second), End: end}}
	}
	own := metrics.NewPace(prompt(true), time.Second)
	troubled := metrics.NewPace(prompt(false), time.Second)
	unknown := fmt.Errorf("%w: no series yet", metrics.ErrNoData)
	if wait := metrics.NewPace(prompt(false), time.Second).Next(epoch, nil, unknown); wait != 100*time.Millisecond {
		t.Errorf("a source that may know with the next scrape: %s", wait)
	}
	for n := range 20 {
		now := epoch.Add(time.Duration(n) * 10 * time.Second)
		if wait := own.Next(now, intervals(n), nil); wait != time.Second {
			t.Errorf("a source that reads when it is asked: %s", wait)
		}
		troubled.Next(now, intervals(n), nil)
		if wait := troubled.Next(now, nil, errors.New("slow")); wait != time.Second {
			t.Errorf("a source in trouble: %s", wait)
		}
	}
}

// The first scrapes are noticed soon already: what a bad canary does shows in three.
func TestPaceIsQuickFromTheStart(t *testing.T) {
	var all []time.Duration
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(4, seed))
		phase := func() time.Duration { return time.Duration(random.Int64N(int64(time.Second))) }
		s := &scraped{period: time.Second, phases: [2]time.Duration{phase(), phase()}, slow: 10 * time.Millisecond, random: random}
		delays, _ := follow(s, metrics.NewPace(nil, time.Second), 0, 5*time.Second)
		all = append(all, delays[:min(4, len(delays))]...)
	}
	if got := quantile(all, 0.5); got > 50*time.Millisecond {
		t.Errorf("half of the first four scrapes were noticed within %s", got)
	}
	if got := quantile(all, 0.95); got > 110*time.Millisecond {
		t.Errorf("all but a few of the first four scrapes were noticed within %s", got)
	}
}

// Where nothing comes at all, it is asked as often as without a pace, soon.
func TestPaceOfNothing(t *testing.T) {
	s := &scraped{period: time.Second, random: rand.New(rand.NewPCG(5, 5)), silent: [2]time.Duration{0, time.Hour}}
	if _, asked := follow(s, metrics.NewPace(nil, time.Second), 0, time.Minute); asked > 60+40 {
		t.Errorf("a source that has nothing was asked %d times in a minute", asked)
	}
}
