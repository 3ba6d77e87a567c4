package analysis_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// everything is a method with all that a state may hold: a quantile of latencies
// whose edges are still to be chosen, limits, a negligible level, and Pods.
func everything() analysis.Config {
	c := analysis.Default()
	gate, negligible := analysis.DefaultGate(), 0.005
	c.Pods, c.Metrics[0].Weight, c.Metrics[0].Negligible = &gate, 0, &negligible
	c.Metrics = slices.Insert(c.Metrics, 1, analysis.LatencyQuantile(0.95, 0))
	c.Limits = []analysis.Limit{{Metric: analysis.Errors, Share: 0.02}, {Metric: metrics.EdgeName(1), Share: 0.01}}
	return c.Weighed()
}

func edges() []float64 { return []float64{0.1, 0.25, 0.5, 1} }

// settle chooses the edges by what stable took before.
func settle(a *analysis.Analysis, c analysis.Config) error {
	var before []metrics.Interval
	for n, e := range edges() {
		before = append(before, metrics.Interval{Metric: metrics.EdgeName(e), Before: true,
			Strata: []stats.Counts{counts(10_000, []uint64{3000, 500, 100, 10}[n], 0, 0)}})
	}
	settled, err := c.Choose(before)
	if err != nil {
		return err
	}
	return a.Settle(settled)
}

// step is one thing that happens to an analysis. It does the same to another one.
type step func(*analysis.Analysis) error

func drawStep(t *rapid.T, n int) step {
	now := second(15 * n)
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0:
		e := analysis.Expectation{Share: rapid.SampledFrom([]float64{0, 0.05, 0.1, 0.5}).Draw(t, "weight"), From: now}
		e.Loose = rapid.SampledFrom([]string{"", "", "sticky"}).Draw(t, "loose")
		return func(a *analysis.Analysis) error { return a.Expect(e) }
	case 1:
		reason := rapid.SampledFrom([]string{"", "no data"}).Draw(t, "reason")
		return func(a *analysis.Analysis) error { a.Hold(reason); return nil }
	case 2:
		return func(a *analysis.Analysis) error { a.Blind("forbidden"); return nil }
	case 3, 4:
		var pods []analysis.Pod
		for k := range rapid.IntRange(0, 4).Draw(t, "Pods") {
			p := pod(fmt.Sprintf("v%d-%d", 1+k%2, k), rapid.IntRange(0, n/4).Draw(t, "restarts"))
			p.Ready = rapid.Bool().Draw(t, "ready")
			pods = append(pods, p)
		}
		return func(a *analysis.Analysis) error { a.See(now, pods); return nil }
	}
	c := counts(900, rapid.Uint64Range(0, 30).Draw(t, "bad of stable"), 100, rapid.Uint64Range(0, 6).Draw(t, "bad of the canary"))
	if rapid.IntRange(0, 2).Draw(t, "hangs") == 0 {
		c.CanaryTotal, c.CanaryBad = 0, 0
	}
	slow := min(c.CanaryTotal, rapid.Uint64Range(0, 40).Draw(t, "slow"))
	left := rapid.Uint64Range(0, 10).Draw(t, "left")
	told := rapid.Bool().Draw(t, "given up and open are told")
	return func(a *analysis.Analysis) error {
		if err := look(a, n, c, slow); err != nil || !told {
			return err
		}
		a.Learn([]metrics.Interval{at(n, metrics.EdgeName(0.5), counts(100, left, 0, 0))})
		all := counts(c.StableTotal+left, left, c.CanaryTotal+2*left, 2*left)
		return errors.Join(a.Add(at(n, analysis.GivenUp, all)), a.Add(at(n, analysis.Unanswered, all)))
	}
}

// look is one interval of everything.
func look(a *analysis.Analysis, n int, c stats.Counts, slow uint64) error {
	i := at(n, analysis.Errors, c)
	i.Start, i.End = second(15*n), second(15*n+15)
	i.Pods = map[string][]stats.PodCounts{"v1": {
		{Pod: "v1-0", Total: c.StableTotal / 2, Bad: c.StableBad},
		{Pod: "v1-2", Total: c.StableTotal - c.StableTotal/2},
	}}
	for k, e := range append([]float64{0}, edges()...) {
		if k > 0 {
			i.Metric = metrics.EdgeName(e)
			i.Strata = []stats.Counts{counts(c.StableTotal, 100/uint64(k), c.CanaryTotal, slow/uint64(k))}
		}
		if err := a.Add(i); err != nil {
			return err
		}
	}
	return nil
}

// told is all that an analysis says.
func told(t interface{ Fatal(args ...any) }, a *analysis.Analysis) string {
	f := a.Figures()
	text, err := json.MarshalIndent([]any{must(t, a), a.Outcome(), fmt.Sprint(f), fmt.Sprint(a.Silence()), a.Causes(), a.CanarySince(second(100))}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// An engine that was killed at any moment goes on as if it had not been: what it
// says from then on is the same to the last digit.
func TestRestoreGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := everything()
		if rapid.Bool().Draw(t, "without onset") {
			c.OnsetIntervals = 0
		}
		c.Dispersion = rapid.SampledFrom([]float64{0, 1, 2}).Draw(t, "dispersion")
		a, err := analysis.New(c, versions())
		if err != nil {
			t.Fatal(err)
		}
		steps := rapid.IntRange(0, 12).Draw(t, "steps")
		cut := rapid.IntRange(0, steps).Draw(t, "cut")
		if rapid.Bool().Draw(t, "watched") {
			a.WatchPods(second(0))
		}
		if err := settle(a, c); err != nil {
			t.Fatal(err)
		}
		twin := a
		for n := range steps {
			if n == cut {
				twin = restored(t, c, a)
			}
			s := drawStep(t, n)
			if err := s(a); err != nil {
				t.Fatal(err)
			}
			if twin == a {
				continue
			}
			if err := s(twin); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(told(t, a), told(t, twin)); diff != "" {
				t.Fatalf("after step %d (-never stopped +restored):\n%s", n, diff)
			}
		}
		again := restored(t, c, twin)
		if diff := cmp.Diff(told(t, a), told(t, again)); diff != "" {
			t.Fatalf("at the end (-never stopped +restored):\n%s", diff)
		}
	})
}

func restored(t interface{ Fatal(args ...any) }, c analysis.Config, a *analysis.Analysis) *analysis.Analysis {
	text, err := a.State()
	if err != nil {
		t.Fatal(err)
	}
	twin, err := analysis.Restore(c, versions(), text)
	if err != nil {
		t.Fatal(err)
	}
	return twin
}

// Before the edges are chosen there is a state too, and they may be chosen later.
func TestRestoreBeforeTheEdges(t *testing.T) {
	c := everything()
	a := restored(t, c, start(t, c))
	if err := settle(a, c); err != nil {
		t.Fatal(err)
	}
	if err := look(a, 0, counts(900, 1, 100, 1), 3); err != nil {
		t.Fatal(err)
	}
	if m := must(t, a).Metrics[1]; m.Intervals != 1 {
		t.Errorf("%+v", m)
	}
}

func TestRestoreRefuses(t *testing.T) {
	c := everything()
	a := start(t, c)
	add(t, a, repeat(3, counts(900, 9, 100, 1))...)
	text, err := a.State()
	if err != nil {
		t.Fatal(err)
	}
	other := c
	other.Tolerance = 0.2
	middle := len(text) / 2
	for name, test := range map[string]struct {
		config   analysis.Config
		versions analysis.Versions
		text     string
	}{
		"another method":   {other, versions(), text},
		"another canary":   {c, analysis.Versions{Stable: "v1", Canary: "v3"}, text},
		"nothing":          {c, versions(), ""},
		"half":             {c, versions(), text[:middle]},
		"a flipped digit":  {c, versions(), text[:middle] + string(text[middle]^1) + text[middle+1:]},
		"something else":   {c, versions(), "sealed elsewhere"},
		"an empty object":  {c, versions(), sealed(t, "{}")},
		"no object at all": {c, versions(), sealed(t, "7")},
		"a huge one":       {c, versions(), sealed(t, `"`+strings.Repeat("a", 17<<20)+`"`)},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := analysis.Restore(test.config, test.versions, test.text); !errors.Is(err, analysis.ErrState) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func sealed(t *testing.T, plain string) string {
	t.Helper()
	text, err := analysis.Seal([]byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// long is a release of so many seconds, with routes and four edges.
func long(t testing.TB, seconds int) (analysis.Config, *analysis.Analysis) {
	t.Helper()
	c := everything()
	a, err := analysis.New(c, versions())
	if err != nil {
		t.Fatal(err)
	}
	if err := settle(a, c); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(5, 5))
	for n := range seconds {
		hour(t, a, n, random)
	}
	return c, a
}

func hour(t testing.TB, a *analysis.Analysis, n int, random *rand.Rand) {
	t.Helper()
	i := metrics.Interval{Start: second(n), End: second(n + 1), Pods: map[string][]stats.PodCounts{"v1": {}}}
	for k := range 5 {
		i.Pods["v1"] = append(i.Pods["v1"], stats.PodCounts{Pod: fmt.Sprintf("v1-6f9d8c7b5-x%dz9q", k), Total: 30 + random.Uint64N(10), Bad: random.Uint64N(2)})
	}
	for k, e := range append([]float64{0}, edges()...) {
		i.Metric = metrics.EdgeName(e)
		if k == 0 {
			i.Metric = analysis.Errors
		}
		i.Strata = nil
		for _, route := range []string{"/cart", "/pay"} {
			c := counts(90+random.Uint64N(20), random.Uint64N(3), 9+random.Uint64N(3), random.Uint64N(7)/6)
			c.Stratum = route
			i.Strata = append(i.Strata, c)
		}
		if err := a.Add(i); err != nil {
			t.Fatal(err)
		}
	}
}

// However long the release is, its state fits. What decides stays exact to the
// last digit; what is shown of the ratio becomes a little coarser.
func TestLongStateFits(t *testing.T) {
	c, a := long(t, 3000)
	text, err := a.State()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes after 3000 seconds", len(text))
	if len(text) > analysis.MaxState || len(text) < analysis.MaxState/2 {
		t.Errorf("%d bytes, of at most %d", len(text), analysis.MaxState)
	}
	twin := restored(t, c, restored(t, c, a))
	random, same := rand.New(rand.NewPCG(6, 6)), rand.New(rand.NewPCG(6, 6))
	for n := range 20 {
		hour(t, a, 3000+n, random)
		hour(t, twin, 3000+n, same)
	}
	v, w := must(t, a), must(t, twin)
	if v.Verdict != w.Verdict || v.Rollback != w.Rollback || v.Seconds != w.Seconds {
		t.Errorf("%s by %+v, and %s by %+v when restored", v.Verdict, v.Rollback, w.Verdict, w.Rollback)
	}
	for k, m := range v.Metrics {
		n := w.Metrics[k]
		for _, pair := range [][2]any{{m.Verdict, n.Verdict}, {m.Rollback, n.Rollback}, {m.NonInferiority, n.NonInferiority},
			{m.Promotion, n.Promotion}, {m.Stable, n.Stable}, {m.Canary, n.Canary}, {m.Intervals, n.Intervals}, {m.Dispersion, n.Dispersion}} {
			if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
				t.Errorf("%s (-never stopped +restored):\n%s", m.Name, diff)
			}
		}
		low, high := float64(n.Ratio.Lower/m.Ratio.Lower), float64(n.Ratio.Upper/m.Ratio.Upper)
		if low < 0.8 || low > 1.25 || high < 0.8 || high > 1.25 {
			t.Errorf("%s: ratio %+v, and %+v when restored", m.Name, m.Ratio, n.Ratio)
		}
	}
	if f, g := a.Figures(), twin.Figures(); f != g {
		t.Errorf("%+v, and %+v when restored", f, g)
	}
	if got, want := twin.CanarySince(second(2990)), a.CanarySince(second(2990)); got != want {
		t.Errorf("exposure %d of the last half minute, want %d", got, want)
	}
	if got, want := twin.CanarySince(second(777)), a.CanarySince(second(777)); got > want || float64(got) < 0.98*float64(want) {
		t.Errorf("exposure %d since long ago, of %d", got, want)
	}
}

// Whatever is in the annotation, it is an error or an analysis that works.
func FuzzRestore(f *testing.F) {
	c := everything()
	for _, n := range []int{0, 1, 3} {
		a, err := analysis.New(c, versions())
		if err != nil {
			f.Fatal(err)
		}
		a.WatchPods(second(0))
		a.See(second(1), []analysis.Pod{pod("v1-a", 0), pod("v2-a", 2)})
		if err := errors.Join(a.Expect(analysis.Expectation{Share: 0.1, From: second(0)}), settle(a, c)); err != nil {
			f.Fatal(err)
		}
		for k := range n {
			if err := look(a, k, counts(900, 9, 100, 1), 3); err != nil {
				f.Fatal(err)
			}
		}
		text, err := a.State()
		if err != nil {
			f.Fatal(err)
		}
		plain, err := analysis.Unseal(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		if _, err := analysis.Restore(c, versions(), string(plain)); err != nil && !errors.Is(err, analysis.ErrState) {
			t.Fatal(err)
		}
		text, err := analysis.Seal(plain)
		if err != nil {
			return
		}
		a, err := analysis.Restore(c, versions(), text)
		if err != nil {
			if !errors.Is(err, analysis.ErrState) {
				t.Fatal(err)
			}
			return
		}
		a.Figures()
		a.CanarySince(second(1))
		_, _ = a.Verdict()
		a.See(second(1e6), []analysis.Pod{pod("v2-b", 1)})
		_ = look(a, 1e6, counts(900, 9, 100, 1), 3)
		a.Outcome()
		if text, err = a.State(); err != nil {
			t.Fatal(err)
		}
		if _, err := analysis.Restore(c, versions(), text); err != nil {
			t.Fatal(err)
		}
	})
}

// A state is written with each move, and restored once.
func BenchmarkState(b *testing.B) {
	for _, length := range []time.Duration{time.Minute, time.Hour} {
		b.Run(length.String(), func(b *testing.B) {
			_, a := long(b, int(length.Seconds()))
			for b.Loop() {
				if _, err := a.State(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
