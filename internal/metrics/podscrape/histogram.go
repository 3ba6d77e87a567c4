package podscrape

import (
	"cmp"
	"math"

	dto "github.com/prometheus/client_model/go"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// The schemas of native histograms with exponential buckets: 2^(2^-schema) is
// the ratio of their edges. https://prometheus.io/docs/specs/native_histograms/
const minSchema, maxSchema = -4, 8

// maxNative bounds the buckets that are read of one native histogram: a client
// library keeps some hundred.
const maxNative = 1 << 14

// fromHistogram keeps both forms, if there are both.
func fromHistogram(h *dto.Histogram) *metrics.Histogram {
	count := cmp.Or(h.GetSampleCountFloat(), float64(h.GetSampleCount()))
	out := &metrics.Histogram{Count: count, Native: native(h)}
	for _, b := range h.Bucket {
		out.Classic = append(out.Classic, metrics.Cumulative{
			LE: b.GetUpperBound(), Count: cmp.Or(b.GetCumulativeCountFloat(), float64(b.GetCumulativeCount())),
		})
	}
	if n := len(out.Classic); n > 0 && !math.IsInf(out.Classic[n-1].LE, 1) {
		out.Classic = append(out.Classic, metrics.Cumulative{LE: math.Inf(1), Count: count})
	}
	return out
}

// native unpacks the positive buckets. Values in the zero bucket and below are
// faster than any limit, so they need none.
func native(h *dto.Histogram) []metrics.Bucket {
	if h.Schema == nil || h.GetSchema() < minSchema || h.GetSchema() > maxSchema {
		return nil
	}
	var (
		buckets []metrics.Bucket
		width   = math.Exp2(-float64(h.GetSchema())) // in powers of two
		index   int64
		count   int64
		at      int
	)
	for _, span := range h.PositiveSpan {
		index += int64(span.GetOffset())
		for range span.GetLength() {
			var n float64
			switch {
			case at < len(h.PositiveDelta): // each count is told by its difference
				count += h.PositiveDelta[at]
				n = float64(count)
			case at < len(h.PositiveCount):
				n = h.PositiveCount[at]
			default:
				return buckets
			}
			buckets = append(buckets, metrics.Bucket{
				Lower: math.Exp2(float64(index-1) * width), Upper: math.Exp2(float64(index) * width), Count: n,
			})
			if at++; at >= maxNative {
				return buckets
			}
			index++
		}
	}
	return buckets
}
