package metrics

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// Release says whose requests are compared.
type Release struct {
	Namespace string
	// App is the prefix of the Deployments' names, <app>-<version>, and the value
	// of the label app of their Pods, where nothing else is known of them.
	App string
	// Service is the short name of the host that the route sends to.
	Service string
	// Stable and Canary are the two versions; without a canary, stable is meant alone.
	Stable, Canary string
	// Backends are where requests for the versions go, and so whose Pods are whose; with
	// none, the labels app and version tell.
	Backends canary.Backends
	// Workloads are the versions' Deployments, by version, where they are known.
	Workloads map[string]Workload
}

// Workload is a version as metrics name it.
type Workload struct {
	Deployment string
	Label      string // the Pods' label version, which a mesh takes for the version; may be ""
}

// workload is what is known of a version's, or what canaryctl would make.
func (r Release) workload(version string) Workload {
	w, ok := r.Workloads[version]
	if !ok {
		w = Workload{Deployment: r.App + "-" + version}
	}
	if w.Label == "" {
		w.Label = version
	}
	return w
}

// Versions are the two, or the one.
func (r Release) Versions() []string {
	if r.Canary == "" {
		return []string{r.Stable}
	}
	return []string{r.Stable, r.Canary}
}

// Sample is what one series had counted at one time, since its process began.
type Sample struct {
	// Series tells what was counted from everything else that was, whoever read
	// it: equal for two readers of one counter.
	Series string
	// Reader tells those readers apart: two jobs that scrape one Pod, or the
	// replicas of a Prometheus. Only one is believed at a time.
	Reader string
	// Version is empty where no answer came, and so nobody wrote whose it was.
	Version string
	// Side is who counted, and Peer who sent the requests, by what both sides call it.
	Side Side
	Peer string
	// Target is what is read at one go, such as a Pod.
	Target string
	// Pod is the Pod that answered the requests; empty where the source does not
	// know.
	Pod     string
	Stratum string
	// Why is how those of Bad went wrong, in words; empty where nothing says.
	Why string
	// At is when it was read; Born when it began to count, zero if unknown.
	At, Born time.Time

	Total uint64
	// Bad are those of Total that count against the version: one entry for each
	// outcome of a counter, one for every edge of a histogram, in order of Way.
	Bad []Bad
}

// Bad is how many requests were bad in one way.
type Bad struct {
	Way   Way
	Count uint64
}

// Way is how a request is bad: Failed, GivenUp, or else that it took longer than
// so many seconds.
type Way float64

// The outcomes of a request that are not good.
const (
	Failed  Way = -2
	GivenUp Way = -1
)

// metric is the name of the intervals that count it; of an outcome among several
// metrics of errors.
func (w Way) metric() string {
	switch w {
	case Failed:
		return MetricErrors
	case GivenUp:
		return MetricGivenUp
	}
	return EdgeName(float64(w))
}

// Errors makes the Bad of a counter that does not know who left.
func Errors(failed uint64) []Bad { return []Bad{{Failed, failed}} }

// Side is on which side of a request it was counted.
type Side string

// The sides.
const (
	Sender   Side = "sender"   // a client's sidecar, or a gateway: it sends to all versions
	Receiver Side = "receiver" // the Pod that answers, or its sidecar
)

// Bucket is a bucket of a histogram: how many values lie in (Lower, Upper].
type Bucket struct{ Lower, Upper, Count float64 }

// Cumulative is a bucket of a classic histogram: how many values are at most LE.
type Cumulative struct{ LE, Count float64 }

// ClassicEdges counts what lies above each finite edge of a classic histogram.
// Scale turns the unit of the edges into seconds. An error wraps
// stats.ErrCounts.
func ClassicEdges(buckets []Cumulative, scale float64) (total uint64, bad []Bad, err error) {
	sorted := slices.SortedFunc(slices.Values(buckets), func(a, b Cumulative) int { return cmp.Compare(a.LE, b.LE) })
	if len(sorted) == 0 || !math.IsInf(sorted[len(sorted)-1].LE, 1) {
		return 0, nil, fmt.Errorf("%w: a histogram without its bucket le=\"+Inf\"", stats.ErrCounts)
	}
	if total, err = stats.Count(sorted[len(sorted)-1].Count); err != nil {
		return 0, nil, err
	}
	for _, b := range sorted[:len(sorted)-1] {
		within, err := stats.Count(b.Count)
		switch {
		case err != nil:
			return 0, nil, fmt.Errorf("bucket le=%g: %w", b.LE, err)
		case within > total:
			return 0, nil, fmt.Errorf("%w: %d values up to %g of %d in all", stats.ErrCounts, within, b.LE, total)
		case !(b.LE*scale > 0) || len(bad) > 0 && bad[len(bad)-1].Way == Way(b.LE*scale):
			continue // no latency lies below; or the same edge, written twice
		}
		bad = append(bad, Bad{Way: Way(b.LE * scale), Count: total - within})
	}
	return total, bad, nil
}

// The edges that a native histogram is read at: powers of √2 from 2^-10 s, a
// millisecond, to 2^6 s. That is its schema 1, coarse on purpose: a histogram
// that halves its resolution to save memory keeps these edges for long.
const (
	nativeFirst, nativeLast = -20, 12
	nativePerDoubling       = 2
)

// NativeEdges counts what lies above each edge, a constant set but for those
// that fall into the middle of a bucket: their counts are not known, and a guess
// would be taken for evidence.
func NativeEdges(count float64, buckets []Bucket, scale float64) (total uint64, bad []Bad, err error) {
	if total, err = stats.Count(count); err != nil {
		return 0, nil, err
	}
	const rounding = 1e-9 // of boundaries, which are written in decimal
	for k := nativeFirst; k <= nativeLast; k++ {
		limit := math.Exp2(float64(k) / nativePerDoubling)
		above, known := 0.0, true
		for _, b := range buckets {
			switch {
			case b.Lower*scale >= limit*(1-rounding):
				above += b.Count
			case b.Upper*scale > limit*(1+rounding):
				known = known && b.Count == 0
			}
		}
		if !known {
			continue
		}
		n, err := stats.Count(above)
		if err != nil || n > total {
			return 0, nil, fmt.Errorf("%w: %v values above %g of %d in all", stats.ErrCounts, above, limit, total)
		}
		bad = append(bad, Bad{Way: Way(limit), Count: n})
	}
	return total, bad, nil
}
