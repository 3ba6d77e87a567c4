package prometheus

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// rangeSeries is one series of an answer of type matrix
// (https://prometheus.io/docs/prometheus/latest/querying/api/#range-vectors).
type rangeSeries struct {
	Metric     map[string]string `json:"metric"`
	Values     []value           `json:"values"`
	Histograms []native          `json:"histograms"`
}

// value is [time, "value"].
type value struct {
	at time.Time
	v  float64
}

func (v *value) UnmarshalJSON(text []byte) error {
	var pair [2]json.RawMessage
	if err := json.Unmarshal(text, &pair); err != nil {
		return fmt.Errorf("read a sample: %w", err)
	}
	var err error
	if v.at, err = moment(pair[0]); err != nil {
		return err
	}
	return quoted(pair[1], &v.v)
}

// native is [time, {count, buckets}], with the fields that count.
type native struct {
	at time.Time
	h  metrics.Histogram
}

func (n *native) UnmarshalJSON(text []byte) error {
	var pair [2]json.RawMessage
	if err := json.Unmarshal(text, &pair); err != nil {
		return fmt.Errorf("read a native histogram: %w", err)
	}
	var err error
	if n.at, err = moment(pair[0]); err != nil {
		return err
	}
	var body struct {
		Count   json.RawMessage
		Buckets [][4]json.RawMessage // which ends belong to it, lower, upper, count
	}
	if err := json.Unmarshal(pair[1], &body); err != nil {
		return fmt.Errorf("read a native histogram: %w", err)
	}
	if err := quoted(body.Count, &n.h.Count); err != nil {
		return err
	}
	n.h.Native = make([]metrics.Bucket, len(body.Buckets))
	for i, b := range body.Buckets {
		to := &n.h.Native[i]
		for field, into := range []*float64{&to.Lower, &to.Upper, &to.Count} {
			if err := quoted(b[field+1], into); err != nil {
				return err
			}
		}
	}
	return nil
}

// moment reads seconds since the epoch, to the millisecond that Prometheus keeps.
func moment(raw json.RawMessage) (time.Time, error) {
	var seconds float64
	if err := json.Unmarshal(raw, &seconds); err != nil || math.Abs(seconds) > 1e12 {
		return time.Time{}, fmt.Errorf("read the time of a sample: %q", raw)
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000))), nil
}

// quoted reads a number as Prometheus writes it: in quotes, for NaN and Inf. It
// is for what counts it to say that such a number is no count.
func quoted(raw json.RawMessage, into *float64) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return fmt.Errorf("read a sample: %q is not a string", raw)
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("read a sample: %q is not a number", text)
	}
	*into = v
	return nil
}

// points turns series into points, and puts the buckets of classic histograms
// together again.
func points(all []rangeSeries) []metrics.Point {
	var out []metrics.Point
	classic := map[string]map[time.Time]*metrics.Point{}
	for _, s := range all {
		name := s.Metric["__name__"]
		delete(s.Metric, "__name__")
		if whole, ok := strings.CutSuffix(name, "_bucket"); ok && s.Metric["le"] != "" {
			gather(classic, whole, s)
			continue
		}
		for _, v := range s.Values {
			out = append(out, metrics.Point{Name: name, Labels: s.Metric, At: v.at, Value: v.v})
		}
		for i := range s.Histograms {
			out = append(out, metrics.Point{Name: name, Labels: s.Metric, At: s.Histograms[i].at, Histogram: &s.Histograms[i].h})
		}
	}
	for _, byTime := range classic {
		for _, p := range byTime {
			out = append(out, *p)
		}
	}
	return out
}

// gather adds a bucket to the histogram that it is of. An edge that is no number
// makes no bucket.
func gather(classic map[string]map[time.Time]*metrics.Point, name string, s rangeSeries) {
	edge, err := strconv.ParseFloat(s.Metric["le"], 64)
	if err != nil || math.IsNaN(edge) {
		return
	}
	delete(s.Metric, "le")
	key := name
	for _, label := range slices.Sorted(maps.Keys(s.Metric)) {
		key += "\x00" + label + "=" + s.Metric[label]
	}
	if classic[key] == nil {
		classic[key] = map[time.Time]*metrics.Point{}
	}
	for _, v := range s.Values {
		p := classic[key][v.at]
		if p == nil {
			p = &metrics.Point{Name: name, Labels: s.Metric, At: v.at, Histogram: &metrics.Histogram{}}
			classic[key][v.at] = p
		}
		p.Histogram.Classic = append(p.Histogram.Classic, metrics.Cumulative{LE: edge, Count: v.v})
	}
}
