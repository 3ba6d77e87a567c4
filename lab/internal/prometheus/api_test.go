package prometheus

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
)

// steps counts from a to b by by.
func steps(a, b, by float64) (values []float64) {
	for v := a; v <= b; v += by {
		values = append(values, v)
	}
	return values
}

func TestQuery(t *testing.T) {
	p := newTest(t)
	p.fill(t, steps(0, 3000, 5), "__name__", "requests_total", "version", "v1") // 600 s at 5/s
	p.fill(t, append(steps(0, 290, 10), steps(10, 300, 10)...), "__name__", "requests_total", "version", "v2")
	c := p.client(t)
	tests := []struct {
		name, query string
		at          float64
		want        []string
	}{
		{"last value", `requests_total{version="v1"}`, 10, []string{`requests_total{version="v1"} => 50`}},
		{"rate over many chunks", `rate(requests_total{version="v1"}[5m])`, 590, []string{`{version="v1"} => 5`}},
		{"a counter reset is no decrease", `round(increase(requests_total{version="v2"}[40s]))`, 50, []string{`{version="v2"} => 400`}},
		{"nothing before the first sample", `requests_total`, -1, []string{}},
		{"regular expressions", `count(requests_total{version=~"v.*",version!~"v2|v3"})`, 10, []string{`{} => 1`}},
		{"aggregation", `sum(requests_total)`, 10, []string{`{} => 150`}},
		{"scalar", `scalar(requests_total{version="v1"})`, 10, []string{"50"}},
		{"at modifier and offset", `requests_total{version="v1"} @ 1767225610 offset 5s`, 100, []string{`requests_total{version="v1"} => 25`}},
		{"subquery", `max_over_time(rate(requests_total{version="v1"}[10s])[30s:1s])`, 60, []string{`{version="v1"} => 5`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, ask(t, c, test.query, test.at)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.query, diff)
			}
		})
	}
}

func TestQueryRange(t *testing.T) {
	p := newTest(t)
	p.fill(t, steps(0, 600, 1), "__name__", "clock")
	value, _, _, err := p.client(t).QueryRange(t.Context(), "clock * 2",
		apiv1.Range{Start: epoch().Add(100 * time.Second), End: epoch().Add(400 * time.Second), Step: 150 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	at := func(s int) model.Time { return model.TimeFromUnix(epoch().Unix() + int64(s)) }
	want := model.Matrix{{Metric: model.Metric{}, Values: []model.SamplePair{{Timestamp: at(100), Value: 200}, {Timestamp: at(250), Value: 500}, {Timestamp: at(400), Value: 800}}}}
	if diff := cmp.Diff(model.Value(want), value); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStaleness(t *testing.T) {
	p := newTest(t)
	p.fill(t, []float64{1, 1, 1}, "__name__", "gone")
	p.fill(t, []float64{1, 1, 1}, "__name__", "silent")
	s, err := p.store.series(labels.FromStrings("__name__", "gone"))
	if err != nil {
		t.Fatal(err)
	}
	s.end(epoch().Add(3 * time.Second).UnixMilli())
	c := p.client(t)
	for query, want := range map[string][]string{"gone": {}, "silent": {"silent => 1"}, "count_over_time(gone[1m])": {"{} => 3"}} {
		if diff := cmp.Diff(want, ask(t, c, query, 10)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

func TestNativeHistogram(t *testing.T) {
	p := newTest(t)
	for i := range 300 {
		n := int64(i + 1)
		h := &histogram.Histogram{ // each second one value in (1,2] and three in (2,4]
			Schema: 0, Count: uint64(4 * n), Sum: float64(10 * n), ZeroThreshold: 1e-9,
			PositiveSpans: []histogram.Span{{Offset: 1, Length: 2}}, PositiveBuckets: []int64{n, 2 * n},
		}
		at := epoch().Add(time.Duration(i) * time.Second).UnixMilli()
		if err := p.store.append(labels.FromStrings("__name__", "duration_seconds"), sample{t: at, h: h}); err != nil {
			t.Fatal(err)
		}
	}
	c := p.client(t)
	tests := map[string]float64{
		"histogram_count(rate(duration_seconds[1m]))":                                     4,
		"histogram_sum(increase(duration_seconds[1m]))":                                   600,
		"histogram_fraction(0, 2, rate(duration_seconds[1m]))":                            0.25,
		"histogram_quantile(0.25, rate(duration_seconds[1m]))":                            2,
		"histogram_quantile(1, sum(rate(duration_seconds[1m])))":                          4,
		"histogram_count(duration_seconds) / histogram_count(duration_seconds offset 1m)": 1200.0 / 960,
	}
	for query, want := range tests {
		value, _, _, err := c.Query(t.Context(), query, epoch().Add(299*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		got := value.(model.Vector)
		if len(got) != 1 || math.Abs(float64(got[0].Value)-want) > 1e-9 {
			t.Errorf("%s = %v, want %v", query, got, want)
		}
	}
	value, _, _, err := c.Query(t.Context(), "duration_seconds", epoch())
	if err != nil {
		t.Fatal(err)
	}
	want := &model.SampleHistogram{Count: 4, Sum: 10, Buckets: model.HistogramBuckets{
		{Boundaries: 0, Lower: 1, Upper: 2, Count: 1}, {Boundaries: 0, Lower: 2, Upper: 4, Count: 3}}}
	if diff := cmp.Diff(want, value.(model.Vector)[0].Histogram); diff != "" {
		t.Errorf("histogram in JSON (-want +got):\n%s", diff)
	}
}

func TestSeriesAndLabels(t *testing.T) {
	p := newTest(t)
	p.fill(t, []float64{1}, "__name__", "up", "job", "a")
	p.fill(t, []float64{1}, "__name__", "up", "job", "b", "pod", "x")
	p.fill(t, []float64{1}, "__name__", "other", "job", "c")
	c, from, to := p.client(t), epoch().Add(-time.Minute), epoch().Add(time.Minute)

	series, _, _, err := c.Series(t.Context(), []string{`up{job="b"}`, `other`}, from, to)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]model.LabelSet{{"__name__": "other", "job": "c"}, {"__name__": "up", "job": "b", "pod": "x"}}, series); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
	names, _, _, err := c.LabelNames(t.Context(), []string{"other"}, from, to)
	if diff := cmp.Diff(model.LabelNames{"__name__", "job"}, names); diff != "" || err != nil {
		t.Errorf("labels %v (-want +got):\n%s", err, diff)
	}
	values, _, _, err := c.LabelValues(t.Context(), "job", nil, from, to)
	if diff := cmp.Diff(model.LabelValues{"a", "b", "c"}, values); diff != "" || err != nil {
		t.Errorf("values %v (-want +got):\n%s", err, diff)
	}
	if values, _, _, err = c.LabelValues(t.Context(), "job", nil, to, to.Add(time.Hour)); len(values) > 0 || err != nil {
		t.Errorf("values where there are no samples: %v %v", values, err)
	}
}

func TestErrors(t *testing.T) {
	p := newTest(t)
	p.fill(t, []float64{1}, "__name__", "twice", "a", "1")
	p.fill(t, []float64{1}, "__name__", "twice", "a", "2")
	server := httptest.NewServer(p.Handler())
	defer server.Close()
	at := "&time=" + url.QueryEscape(epoch().Format(time.RFC3339))
	tests := []struct {
		path string
		code int
		kind string
		text string
	}{
		{"/query?query=sum(", 400, "bad_data", "parse error"},
		{"/query?query=1&time=yesterday", 400, "bad_data", `cannot parse "yesterday"`},
		{"/query?query=" + url.QueryEscape("twice + on() twice") + at, 422, "execution", "found duplicate series"},
		{"/query_range?query=1&start=2&end=1&step=1", 400, "bad_data", "end timestamp must not be before start"},
		{"/query_range?query=1&start=1&end=2&step=0", 400, "bad_data", "step"},
		{"/query_range?query=1&start=0&end=99999&step=1", 400, "bad_data", "11,000 points"},
		{"/series", 400, "bad_data", "no match[]"},
		{"/rules?type=x", 400, "bad_data", "not supported value"},
		{"/nothing", 404, "not_found", "/api/v1/nothing"},
	}
	for _, test := range tests {
		res, err := http.Get(server.URL + "/api/v1" + test.path)
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ Status, ErrorType, Error string }
		err = json.NewDecoder(res.Body).Decode(&got)
		res.Body.Close()
		if err != nil || res.StatusCode != test.code || got.ErrorType != test.kind || !strings.Contains(got.Error, test.text) {
			t.Errorf("%s: %d %+v %v, want %d %s with %q", test.path, res.StatusCode, got, err, test.code, test.kind, test.text)
		}
	}
	var typed *apiv1.Error
	_, _, _, err := p.client(t).Query(t.Context(), "sum(", epoch())
	if !errors.As(err, &typed) || typed.Type != apiv1.ErrBadData {
		t.Errorf("the client understands the error as %v", err)
	}
}

func TestPages(t *testing.T) {
	p := newTest(t)
	server := httptest.NewServer(p.Handler())
	defer server.Close()
	get := func(path string) (int, string) {
		res, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	if code, body := get("/"); code != 200 || !strings.Contains(body, "canary-lab Prometheus") {
		t.Errorf("/: %d %s", code, body)
	}
	if code, _ := get("/-/healthy"); code != 200 {
		t.Errorf("/-/healthy: %d", code)
	}
	if code, _ := get("/-/ready"); code != 503 {
		t.Errorf("/-/ready before Run: %d", code)
	}
	close(p.ready)
	if code, _ := get("/-/ready"); code != 200 {
		t.Errorf("/-/ready: %d", code)
	}
	if _, body := get("/api/v1/query?query=nothing_here"); body != `{"data":{"result":[],"resultType":"vector"},"status":"success"}` {
		t.Errorf("an empty result is %s", body)
	}
	info, err := p.client(t).Buildinfo(t.Context())
	if err != nil || info.Version != "3.16.0" {
		t.Errorf("build info %+v %v", info, err)
	}
}
