package stats

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestImpossibleScrapesAreNamedAndChangeNothing(t *testing.T) {
	for _, test := range []struct {
		scrape Scrape
		is     error
		want   string
	}{
		{Scrape{Strata: []Counts{{CanaryTotal: 1, CanaryBad: 2}}}, ErrCounts, "2 bad of 1 canary requests"},
		{Scrape{Strata: []Counts{{}, {Stratum: "/cart", StableBad: 1}}}, ErrCounts, `stratum "/cart": impossible counts: 1 bad of 0 stable`},
		{Scrape{Strata: []Counts{{StableTotal: math.MaxUint64}}}, ErrCounts, "overflow"},
		{Scrape{Dispersion: math.NaN()}, ErrDispersion, "NaN"},
		{Scrape{Dispersion: math.Inf(1)}, ErrDispersion, "+Inf"},
		{Scrape{Dispersion: 0.5}, ErrDispersion, "0.5"},
		{Scrape{Dispersion: -1}, ErrDispersion, "-1"},
	} {
		for name, p := range processes(withNegligible(Default())) {
			feed(p, vectorB)
			before := string(must(p.MarshalText()))
			err := p.Update(test.scrape)
			if !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: error %v, want one with %q", name, err, test.want)
			}
			if after := string(must(p.MarshalText())); after != before {
				t.Errorf("%s: changed by %v", name, err)
			}
		}
	}
}

// The largest counts there can be, all on one side, still give numbers.
func TestExtremeCountsGiveNumbers(t *testing.T) {
	extremes := []Counts{
		{StableTotal: maxCount, StableBad: maxCount, CanaryTotal: 1},
		{StableTotal: 1, CanaryTotal: maxCount, CanaryBad: maxCount},
		{StableTotal: maxCount, StableBad: maxCount, CanaryTotal: maxCount, CanaryBad: maxCount},
		{StableTotal: maxCount, CanaryTotal: maxCount, CanaryBad: 1},
	}
	for _, c := range extremes {
		for _, limit := range []float64{0, math.Ln10, maxLogCap} {
			config := withNegligible(Default())
			config.Cap, config.Tolerance, config.Margin = limit, maxRatio-1, maxRatio
			l := ledgerOf([]Scrape{{Strata: []Counts{c}}})
			for name, p := range processes(config) {
				if logE := feed(p, l.scrapes).LogE(); !finite(logE) || !(p.PValue() >= 0) {
					t.Errorf("%s: %+v: log E %v, p-value %v", name, c, logE, p.PValue())
				}
			}
			if b := must(RatioBounds(l, config)); !(b.Low <= b.High) {
				t.Errorf("%+v: ratio in %v", c, b)
			}
			if b := must(ProportionBounds(c.CanaryBad, c.CanaryTotal, 0, 0.025)); !(0 <= b.Low && b.Low <= b.High && b.High <= 1) {
				t.Errorf("%+v: share in %v", c, b)
			}
		}
	}
}

func TestSampleValuesThatAreNoCounts(t *testing.T) {
	for v, want := range map[float64]string{
		math.NaN(): "not a number", -1: "negative", math.Inf(1): "overflow", 1e300: "overflow", 0.5: "not whole", math.Inf(-1): "negative",
	} {
		if _, err := Count(v); !errors.Is(err, ErrCounts) || !strings.Contains(err.Error(), want) {
			t.Errorf("Count(%v): %v, want an error with %q", v, err, want)
		}
	}
	if got := must(Count(12)); got != 12 {
		t.Errorf("Count(12) = %d", got)
	}
}

func TestConfigNamesWhatIsWrong(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Errorf("default: %v", err)
	}
	for want, change := range map[string]func(*Config){
		"tolerance -0.1":     func(c *Config) { c.Tolerance = -0.1 },
		"margin 1":           func(c *Config) { c.Margin = 1 },
		"negligible NaN":     func(c *Config) { c.Negligible = math.NaN() },
		"rollback alpha 0":   func(c *Config) { c.RollbackAlpha = 0 },
		"promote alpha 1":    func(c *Config) { c.PromoteAlpha = 1 },
		"interval alpha 2":   func(c *Config) { c.IntervalAlpha = 2 },
		"cap +Inf":           func(c *Config) { c.Cap = math.Inf(1) },
		"onset intervals -1": func(c *Config) { c.OnsetIntervals = -1 },
	} {
		c := Default()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestProcessesRefuseWhatTheyCannotMean(t *testing.T) {
	bad := Config{Tolerance: math.NaN(), Margin: 0.5, Negligible: 1}
	for name, err := range map[string]error{
		"rollback":        second(NewRollback(bad)),
		"onset":           second(NewOnset(bad)),
		"onset tolerance": second(NewOnset(Config{OnsetIntervals: 1, Tolerance: -1})),
		"non-inferiority": second(NewNonInferiority(bad)),
		"negligible":      second(NewNegligible(bad)),
		"violated":        second(NewViolated(0, Default())),
		"cap":             second(NewMet(0.1, Config{Cap: -1})),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestClockMustMoveForward(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, next := range map[string]time.Time{
		"back":              at.Add(-time.Second),
		"still":             at,
		"less than 1 ms on": at.Add(time.Microsecond),
	} {
		var l Ledger
		if err := l.Append(Scrape{At: at}); err != nil {
			t.Fatal(err)
		}
		err := l.Append(Scrape{At: next})
		if !errors.Is(err, ErrClock) || !strings.Contains(err.Error(), "2026-03-01T12:00:00Z") {
			t.Errorf("%s: error %v", name, err)
		}
		if l.Len() != 1 {
			t.Errorf("%s: appended", name)
		}
	}
}

func TestLedgerRefusesDoubtfulCounts(t *testing.T) {
	var l Ledger
	twice := Scrape{Strata: []Counts{{Stratum: "/"}, {Stratum: "/"}}}
	if err := l.Append(twice); !errors.Is(err, ErrCounts) {
		t.Errorf("one stratum twice: %v", err)
	}
	for i := range 2 {
		s := Scrape{At: time.Unix(int64(i), 0), Strata: []Counts{{StableTotal: maxCount}}}
		if err := l.Append(s); (err != nil) != (i == 1) {
			t.Errorf("scrape %d of 2^53 requests: %v", i, err)
		}
	}
	if _, err := Merge(&l, &l); !errors.Is(err, ErrCounts) {
		t.Errorf("merged with itself: %v", err)
	}
}
