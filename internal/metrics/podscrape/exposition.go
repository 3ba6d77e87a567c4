package podscrape

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// decode reads the text, OpenMetrics or protobuf form of an exposition: what counts,
// and the gauges of these names. What a Pod says of the time of its samples is passed
// over: we know when we read them.
func decode(body []byte, header http.Header, gauges []string) ([]metrics.Point, error) {
	format := expfmt.ResponseFormat(header)
	if kind, _, _ := mime.ParseMediaType(header.Get("Content-Type")); kind == expfmt.OpenMetricsType {
		body, format = plain(body), expfmt.NewFormat(expfmt.TypeTextPlain)
	}
	decoder := expfmt.NewDecoder(bytes.NewReader(body), format)
	var points []metrics.Point
	for {
		var family dto.MetricFamily
		err := decoder.Decode(&family)
		if errors.Is(err, io.EOF) {
			return points, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read its metrics: %w", err)
		}
		if family.GetType() == dto.MetricType_GAUGE && !slices.Contains(gauges, family.GetName()) {
			continue // it counts nothing
		}
		for _, m := range family.Metric {
			points = append(points, fromMetric(family.GetName(), m)...)
		}
	}
}

// fromMetric returns the counts that a metric has, or its level: a histogram, or a
// summary, also counts its values.
func fromMetric(name string, m *dto.Metric) []metrics.Point {
	labels := make(map[string]string, len(m.Label)+2)
	for _, l := range m.Label {
		labels[l.GetName()] = l.GetValue()
	}
	one := metrics.Point{Name: name, Labels: labels}
	switch {
	case m.Counter != nil:
		one.Value, one.Born = m.Counter.GetValue(), moment(m.Counter.CreatedTimestamp)
	case m.Gauge != nil:
		one.Value = m.Gauge.GetValue()
	case m.Untyped != nil:
		one.Value = m.Untyped.GetValue()
	case m.Summary != nil:
		one.Name, one.Value = name+"_count", float64(m.Summary.GetSampleCount())
	case m.Histogram != nil:
		one.Born = moment(m.Histogram.CreatedTimestamp)
		count := one
		one.Histogram = fromHistogram(m.Histogram)
		count.Name, count.Value = name+"_count", one.Histogram.Count
		return []metrics.Point{one, count}
	default:
		return nil
	}
	return []metrics.Point{one}
}

func moment(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}
