package stats

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var inf = math.Inf(1)

func TestQuantileBounds(t *testing.T) {
	latencies := []Bucket{{0.1, 5000}, {0.25, 8800}, {0.5, 9450}, {1, 9900}, {inf, 10000}}
	for _, test := range []struct {
		name    string
		q       float64
		buckets []Bucket
		want    Bounds
	}{
		{"p95, close to an edge that is left open", 0.95, latencies, Bounds{0.25, 1}},
		{"p50 at an edge", 0.5, latencies, Bounds{0, 0.25}},
		{"p99 beyond", 0.995, latencies, Bounds{1, inf}},
		{"no observations", 0.5, []Bucket{{0.1, 0}, {inf, 0}}, Bounds{0, inf}},
		{"no edges", 0.5, []Bucket{{inf, 100}}, Bounds{0, inf}},
	} {
		if diff := cmp.Diff(test.want, must(QuantileBounds(test.q, test.buckets, 0, 0.025))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// An edge is a lower bound exactly when the share above it is proved to exceed 1−q.
func TestQuantileBoundsAreThoseOfProportions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			buckets []Bucket
			count   uint64
		)
		for i := range rapid.IntRange(1, 8).Draw(t, "buckets") {
			count += rapid.Uint64Range(0, 500).Draw(t, "count")
			buckets = append(buckets, Bucket{Upper: float64(i + 1), Count: count})
		}
		buckets = append(buckets, Bucket{Upper: inf, Count: count + rapid.Uint64Range(0, 500).Draw(t, "rest")})
		var (
			q          = rapid.Float64Range(0.01, 0.99).Draw(t, "q")
			dispersion = rapid.Float64Range(1, 5).Draw(t, "dispersion")
			total      = buckets[len(buckets)-1].Count
			want       = Bounds{0, inf}
		)
		for _, b := range buckets[:len(buckets)-1] {
			slow := must(ProportionBounds(total-b.Count, total, dispersion, 0.025))
			if slow.Low >= 1-q {
				want.Low = b.Upper
			}
			if slow.High <= 1-q {
				want.High = min(want.High, b.Upper)
			}
		}
		if diff := cmp.Diff(want, must(QuantileBounds(q, buckets, dispersion, 0.025))); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSharesAndBucketsThatCannotBe(t *testing.T) {
	for want, err := range map[string]error{
		"does not reach +Inf":     second(QuantileBounds(0.5, []Bucket{{1, 1}}, 0, 0.025)),
		"does not reach":          second(QuantileBounds(0.5, nil, 0, 0.025)),
		"out of order":            second(QuantileBounds(0.5, []Bucket{{2, 1}, {1, 1}, {inf, 1}}, 0, 0.025)),
		"2 observations up to 1":  second(QuantileBounds(0.5, []Bucket{{1, 2}, {inf, 1}}, 0, 0.025)),
		"3 bad of 2":              second(ProportionBounds(3, 2, 0, 0.025)),
		"impossible dispersion":   second(ProportionBounds(1, 2, 0.1, 0.025)),
		"edge NaN":                second(QuantileBounds(0.5, []Bucket{{math.NaN(), 1}, {inf, 1}}, 0, 0.025)),
		"dispersion: 0.2, must":   second(QuantileBounds(0.5, []Bucket{{inf, 1}}, 0.2, 0.025)),
		"9007199254740993 canary": second(ProportionBounds(1, maxCount+1, 0, 0.025)),
	} {
		if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, ErrCounts) && !errors.Is(err, ErrDispersion) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	for name, err := range map[string]error{
		"quantile": second(QuantileBounds(1, []Bucket{{inf, 1}}, 0, 0.025)),
		"alpha":    second(ProportionBounds(1, 2, 0, math.NaN())),
		"ratio":    second(RatioBounds(new(Ledger), Config{})),
		"cap":      second(RatioBounds(new(Ledger), Config{IntervalAlpha: 0.025, Cap: -1})),
	} {
		if err == nil || !strings.Contains(err.Error(), name) && name != "ratio" {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
