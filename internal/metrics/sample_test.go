package metrics

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/stats"
)

func TestClassicEdges(t *testing.T) {
	inf := math.Inf(1)
	for name, test := range map[string]struct {
		buckets []Cumulative
		total   uint64
		want    []Bad
		ok      bool
	}{
		"milliseconds, in any order": {[]Cumulative{{inf, 10}, {500, 9}, {100, 4}}, 10, []Bad{{.1, 6}, {.5, 1}}, true},
		"an edge written twice":      {[]Cumulative{{100, 4}, {100, 4}, {inf, 10}}, 10, []Bad{{.1, 6}}, true},
		"no edge":                    {[]Cumulative{{inf, 10}}, 10, nil, true},
		"no end":                     {[]Cumulative{{100, 4}}, 0, nil, false},
		"nothing":                    {nil, 0, nil, false},
		"torn":                       {[]Cumulative{{100, 11}, {inf, 10}}, 0, nil, false},
		"not a number":               {[]Cumulative{{100, math.NaN()}, {inf, 10}}, 0, nil, false},
		"a rate":                     {[]Cumulative{{inf, 10.5}}, 0, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			total, got, err := ClassicEdges(test.buckets, .001)
			if (err == nil) != test.ok || err != nil && !errors.Is(err, stats.ErrCounts) {
				t.Fatalf("error %v", err)
			}
			if test.ok && total != test.total {
				t.Errorf("total %d, want %d", total, test.total)
			}
			if diff := cmp.Diff(test.want, got); test.ok && diff != "" {
				t.Errorf("edges (-want +got):\n%s", diff)
			}
		})
	}
}

// Edges survive that a histogram halves its resolution; those that it then
// cannot tell are left out and not guessed.
func TestNativeEdgesSurviveCoarserBuckets(t *testing.T) {
	fine := []Bucket{{.25, math.Sqrt2 / 4, 3}, {math.Sqrt2 / 4, .5, 2}, {.5, math.Sqrt2 / 2, 1}}
	coarse := []Bucket{{.25, .5, 5}, {.5, 1, 1}}
	above := func(buckets []Bucket, limit float64) (uint64, bool) {
		_, bad, err := NativeEdges(8, buckets, 1) // two values are below
		if err != nil {
			t.Fatal(err)
		}
		s := Sample{Bad: bad}
		return s.at(Way(limit))
	}
	for _, limit := range []float64{.125, .25, .5, 1, 4} {
		a, _ := above(fine, limit)
		b, known := above(coarse, limit)
		if a != b || !known {
			t.Errorf("above %v: %d in fine buckets, %d (known %t) in coarse ones", limit, a, b, known)
		}
	}
	if n, known := above(fine, math.Exp2(-1.5)); n != 3 || !known {
		t.Errorf("above 2^-1.5: %d, known %t; want 3", n, known)
	}
	if n, known := above(coarse, math.Exp2(-1.5)); known {
		t.Errorf("above 2^-1.5, inside of a bucket: a guess of %d", n)
	}
	if _, _, err := NativeEdges(1, fine, 1); !errors.Is(err, stats.ErrCounts) {
		t.Errorf("more values in buckets than in all: %v", err)
	}
}
