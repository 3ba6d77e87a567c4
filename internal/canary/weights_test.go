package canary_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/canaryctl/canaryctl/internal/canary"
)

func TestParseWeights(t *testing.T) {
	for _, test := range []struct {
		stable, onTrial string
		want            canary.Weights
		ok              bool
	}{
		{"90", "10", canary.Weights{Stable: 90, Canary: 10}, true},
		{"0", "100", canary.AllCanary(), true},
		{"100", "0", canary.AllStable(), true},
		{"90", "20", canary.Weights{}, false},
		{"110", "-10", canary.Weights{}, false},
		{"99.5", "0.5", canary.Weights{Stable: 99.5, Canary: 0.5}, true},
		{"99.9", "0.1", canary.ToCanary(0.1), true},
		{"33.3", "66.7", canary.ToCanary(66.7), true},
		{"99.95", "0.05", canary.Weights{}, false},
		{"99.5", "0.6", canary.Weights{}, false},
		{"9e1", "1e1", canary.Weights{}, false},
		{"NaN", "NaN", canary.Weights{}, false},
		{"Inf", "-Inf", canary.Weights{}, false},
		{"ninety", "10", canary.Weights{}, false},
		{"", "", canary.Weights{}, false},
	} {
		got, err := canary.ParseWeights(test.stable, test.onTrial)
		if test.ok != (err == nil) || !test.ok && !errors.Is(err, canary.ErrWeights) {
			t.Errorf("ParseWeights(%q, %q): error %v", test.stable, test.onTrial, err)
		}
		if test.ok && got != test.want {
			t.Errorf("ParseWeights(%q, %q) = %s, want %s", test.stable, test.onTrial, got, test.want)
		}
	}
}

// However a part is rounded, no traffic is none, and not all is not all.
func TestPercentOf(t *testing.T) {
	for _, test := range []struct {
		part, whole float64
		want        canary.Percent
	}{
		{1, 1000, 0.1}, {999, 1000, 99.9}, {1, 3, 33.3}, {1, 1e6, 0.1}, {1e6 - 1, 1e6, 99.9}, {0, 5, 0}, {5, 5, 100}, {0, 0, 0}, {1, 2, 50}, {13, 200, 6.5},
	} {
		got := canary.PercentOf(test.part, test.whole)
		if got != test.want || canary.ToCanary(got).Validate() != nil {
			t.Errorf("%v of %v is %s%%, want %s%%", test.part, test.whole, got, test.want)
		}
	}
}

func TestPromotedAndRestored(t *testing.T) {
	p := canary.Position{App: "echo", Stable: "v1", Canary: "v2", Added: []string{canary.AddedDestination}}
	promoted := p.Promoted()
	if promoted.Stable != "v2" || promoted.Canary != "" || promoted.Previous != "v1" {
		t.Errorf("promoted: %+v", promoted)
	}
	if diff := cmp.Diff(p, promoted.Restored()); diff != "" {
		t.Errorf("restored after a promotion (-before +after):\n%s", diff)
	}
}

// A version that is gone is nowhere in the position, and what was added is
// remembered just as long as there is somebody to take it away from.
func TestWithout(t *testing.T) {
	version := rapid.SampledFrom([]string{"v1", "v2", "v3", ""})
	rapid.Check(t, func(t *rapid.T) {
		p := canary.Position{
			Stable: "v0", Canary: version.Draw(t, "canary"), Previous: version.Draw(t, "previous"),
			Added: []string{canary.AddedDestination},
		}
		gone := rapid.SampledFrom([]string{"v1", "v2", "v3"}).Draw(t, "gone")
		left := p.Without(gone)
		if left.Stable != "v0" || left.Canary == gone || left.Previous == gone {
			t.Errorf("%+v without %s: %+v", p, gone, left)
		}
		if left.Canary == "" && left.Previous == "" && left.Added != nil {
			t.Errorf("%+v without %s still lists what was added: %+v", p, gone, left)
		}
	})
}
