package prometheus

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// archive is a Prometheus that has stored counters for long: each series is a function
// of the second, scraped every 15 s. It gives out so many samples at once.
type archive struct {
	series []archived
	most   int
	spans  []time.Duration // that were asked for
	code   int             // of the refusal
}

type archived struct {
	labels map[string]string
	from   int // seconds after the beginning of all, when it appears
	value  func(second int) int
}

// archiveBegins is a multiple of 15 s.
var archiveBegins = time.Unix(1_700_000_010, 0)

func (a *archive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := regexp.MustCompile(`\[(\d+)ms\]$`).FindStringSubmatch(r.FormValue("query"))
	to, err := strconv.ParseFloat(r.FormValue("time"), 64)
	if query == nil || err != nil {
		http.Error(w, "no range, or no time", http.StatusInternalServerError)
		return
	}
	span, _ := time.ParseDuration(query[1] + "ms")
	a.spans = append(a.spans, span)
	end := int(to) - int(archiveBegins.Unix())
	result, samples := []map[string]any{}, 0
	for _, s := range a.series {
		if !strings.Contains(r.FormValue("query"), strings.TrimSuffix(s.labels["__name__"], "_bucket")) {
			continue
		}
		values := [][2]any{}
		for t := (end - int(span.Seconds())) / 15 * 15; t <= end; t += 15 {
			if t >= max(s.from, end-int(span.Seconds())) {
				values = append(values, [2]any{archiveBegins.Unix() + int64(t), fmt.Sprint(s.value(t))})
			}
		}
		samples += len(values)
		if len(values) > 0 {
			result = append(result, map[string]any{"metric": s.labels, "values": values})
		}
	}
	if a.most > 0 && samples > a.most {
		w.WriteHeader(a.code)
		_, _ = w.Write([]byte(`{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory"}`))
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": result}})
}

func (a *archive) server(t *testing.T) *Server {
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	base, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return At(base, s.Client())
}

func rate(perSecond int) func(int) int {
	return func(second int) int { return 1000 + perSecond*second }
}

func podSeries(name, pod, code string, value func(int) int) archived {
	return archived{labels: map[string]string{"__name__": name, "namespace": "shop", "pod": pod, "code": code}, value: value}
}

func readStored(t *testing.T, s *Server, c HistoryConfig) []metrics.Interval {
	t.Helper()
	if c.Profile.Name == "" {
		p, err := metrics.FindProfile("app")
		if err != nil {
			t.Fatal(err)
		}
		c.Profile = p
	}
	c.Guard = quick()
	intervals, err := s.History(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(intervals, func(i metrics.Interval) bool { return i.Metric == metrics.MetricGivenUp })
}

func minutesIn(n int) time.Time { return archiveBegins.Add(time.Duration(n) * time.Minute) }

// Whatever the chunks, the intervals are the same, without a seam.
func TestHistoryIsReadInChunks(t *testing.T) {
	a := &archive{series: []archived{
		podSeries("http_requests_total", "cart-v1-7d4f-aaaaa", "200", rate(10)),
		podSeries("http_requests_total", "cart-v1-7d4f-aaaaa", "500", rate(1)),
		podSeries("http_requests_total", "cart-v2-7d4f-bbbbb", "200", rate(2)),
	}}
	alone := release("cart")
	alone.Canary = ""
	c := HistoryConfig{Release: release("cart"), From: minutesIn(60), To: minutesIn(180)}
	whole := readStored(t, a.server(t), c)
	if len(whole) != 480 {
		t.Fatalf("%d intervals in two hours of scrapes 15 s apart", len(whole))
	}
	first := metrics.Interval{Metric: "errors", Start: minutesIn(60), End: minutesIn(60).Add(15 * time.Second),
		Strata: []stats.Counts{{StableTotal: 165, StableBad: 15, CanaryTotal: 30}},
		Pods: map[string][]stats.PodCounts{
			"v1": {{Pod: "cart-v1-7d4f-aaaaa", Total: 165, Bad: 15}}, "v2": {{Pod: "cart-v2-7d4f-bbbbb", Total: 30}}},
		Whys: map[string]map[string]uint64{"v1": {"500": 15}}}
	if diff := cmp.Diff(first, whole[0]); diff != "" {
		t.Errorf("first interval (-want +got):\n%s", diff)
	}
	var told []time.Duration
	c.Chunk, c.Progress = 7*time.Minute, func(done, all time.Duration) {
		told = append(told, done)
		if all != 2*time.Hour {
			t.Errorf("%s of progress in all", all)
		}
	}
	if diff := cmp.Diff(whole, readStored(t, a.server(t), c)); diff != "" {
		t.Errorf("in chunks (-whole +chunks):\n%s", diff)
	}
	if len(told) != 18 || told[0] <= 0 || told[17] != 2*time.Hour {
		t.Errorf("progress %v", told)
	}
	c.Release = alone
	for _, i := range readStored(t, a.server(t), c) {
		if diff := cmp.Diff([]stats.Counts{{StableTotal: 165, StableBad: 15}}, i.Strata); diff != "" {
			t.Fatalf("stable alone (-want +got):\n%s", diff)
		}
	}
}

// A server that gives out less at once is asked for less.
func TestHistoryHalvesWhatIsTooMuch(t *testing.T) {
	a := &archive{most: 100, code: http.StatusUnprocessableEntity, series: []archived{podSeries("http_requests_total", "cart-v1-7d4f-aaaaa", "200", rate(10))}}
	c := HistoryConfig{Release: release("cart"), From: minutesIn(60), To: minutesIn(180)}
	if got := readStored(t, a.server(t), c); len(got) != 480 {
		t.Errorf("%d intervals", len(got))
	}
	if diff := cmp.Diff([]time.Duration{time.Hour, 30 * time.Minute, 15 * time.Minute, 15 * time.Minute}, a.spans[:4]); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	for name, test := range map[string]struct {
		most, code, asked int
		want              error
	}{
		"refused whatever is asked": {1, http.StatusUnprocessableEntity, 7, errRefused},
		"overloaded":                {1, http.StatusServiceUnavailable, 3, metrics.ErrUnavailable},
	} {
		a.most, a.code, a.spans = test.most, test.code, nil
		p, _ := metrics.FindProfile("app")
		c.Profile, c.Guard = p, quick()
		_, err := a.server(t).History(t.Context(), c)
		if !errors.Is(err, test.want) || len(a.spans) != test.asked {
			t.Errorf("%s: asked %d times, %v", name, len(a.spans), err)
		}
	}
}

// A series that appears inside is new, one that was there before has its history
// left out, and a Pod that was restarted begins anew.
func TestHistoryOfPodsThatComeAndGo(t *testing.T) {
	late := podSeries("http_requests_total", "cart-v1-7d4f-bbbbb", "200", func(second int) int { return second - 4000 })
	late.from = 4005
	restarted := func(second int) int {
		if second < 4500 {
			return 10 * second
		}
		return 10 * (second - 4500)
	}
	a := &archive{series: []archived{podSeries("http_requests_total", "cart-v1-7d4f-aaaaa", "200", restarted), late}}
	var requests uint64
	for _, i := range readStored(t, a.server(t), HistoryConfig{Release: release("cart"), From: minutesIn(60), To: minutesIn(90), Chunk: 4 * time.Minute}) {
		requests += i.Strata[0].StableTotal
	}
	if want := uint64(10*1800 - 150 + 5400 - 4000); requests != want { // 15 s before the restart are lost
		t.Errorf("%d requests, want %d", requests, want)
	}
}

func TestHistoryReadsLatencyWhereAsked(t *testing.T) {
	bucket := func(le string, perSecond int) archived {
		s := podSeries("http_request_duration_seconds_bucket", "cart-v1-7d4f-aaaaa", "200", rate(perSecond))
		s.labels["le"] = le
		return s
	}
	a := &archive{series: []archived{bucket("0.1", 8), bucket("+Inf", 10)}}
	c := HistoryConfig{Release: release("cart"), From: minutesIn(60), To: minutesIn(61), Latency: true}
	got := readStored(t, a.server(t), c)
	if len(got) != 5 || !got[0].Before || got[1].Metric != "latency le=0.1" || got[1].Strata[0].StableBad != 30 {
		t.Errorf("%+v", got)
	}
	c.Latency = false
	c.Profile, _ = metrics.FindProfile("app")
	if _, err := a.server(t).History(t.Context(), c); !errors.Is(err, metrics.ErrNoData) {
		t.Errorf("errors alone: %v", err)
	}
	c.To = c.From
	if _, err := a.server(t).History(t.Context(), c); err == nil || !strings.Contains(err.Error(), "is not before") {
		t.Errorf("no time at all: %v", err)
	}
}
