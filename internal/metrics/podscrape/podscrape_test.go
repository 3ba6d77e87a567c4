package podscrape

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is an API server with Pods, each of which answers with a text.
type cluster struct {
	*httptest.Server
	mu      sync.Mutex
	pods    map[string]string // by "version/name": the text, empty for none
	kind    string            // of the text
	refused bool
	paths   []string
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{kind: "text/plain; version=0.0.4"}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rest, ok := strings.CutPrefix(r.URL.Path, "/api/v1/namespaces/shop/pods")
	if !ok || c.refused {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"pods is forbidden"}`))
		return
	}
	if rest == "" {
		c.list(w, r.URL.Query().Get("labelSelector"))
		return
	}
	c.paths = append(c.paths, rest)
	name, _, _ := strings.Cut(strings.TrimPrefix(rest, "/"), ":")
	for key, text := range c.pods {
		if strings.HasSuffix(key, "/"+name) && text != "" {
			w.Header().Set("Content-Type", c.kind)
			_, _ = w.Write([]byte(text))
			return
		}
	}
	w.WriteHeader(http.StatusServiceUnavailable)
}

func (c *cluster) list(w http.ResponseWriter, selector string) {
	items := []any{}
	if selector == "app=cart,version in (v1,v2)" {
		for key := range c.pods {
			version, name, _ := strings.Cut(key, "/")
			items = append(items, map[string]any{"apiVersion": "v1", "kind": "Pod",
				"metadata": map[string]any{"namespace": "shop", "name": name, "labels": map[string]any{"app": "cart", "version": version}},
				"spec":     map[string]any{"containers": []any{map[string]any{"name": "x", "ports": []any{map[string]any{"containerPort": 8080}}}}},
				"status":   map[string]any{"phase": "Running"}})
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": "v1", "kind": "PodList", "metadata": map[string]any{}, "items": items})
}

func (c *cluster) put(kind string, pods map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kind, c.pods = kind, pods
}

const text, openMetrics = "text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0; charset=utf-8"

// scraper reads the cluster by a clock that goes a second on for each reading.
func (c *cluster) scraper(t *testing.T) *Scraper {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, []byte(`{"apiVersion":"v1","kind":"Config","current-context":"a",
"clusters":[{"name":"c","cluster":{"server":"`+c.URL+`"}}],"contexts":[{"name":"a","context":{"cluster":"c","user":"u"}}],"users":[{"name":"u","user":{}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := kube.Connect(kube.Config{Kubeconfig: config})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.HTTP.CloseIdleConnections)
	profile, err := metrics.FindProfile("app")
	if err != nil {
		t.Fatal(err)
	}
	guard := metrics.DefaultGuard()
	guard.Attempts = 1
	second := int64(1_700_000_000)
	return New(client, Config{Profile: profile, Guard: guard,
		Release: metrics.Release{Namespace: "shop", App: "cart", Stable: "v1", Canary: "v2"},
		Now:     func() time.Time { second++; return time.Unix(second, 0) },
	})
}

// exposed is what a Pod tells, with HELP left out.
func exposed(ok, failed, fast, all int) string {
	return fmt.Sprintf(`# TYPE http_requests_total counter
http_requests_total{route="/",code="200"} %d
http_requests_total{route="/",code="500"} %d
http_requests_total{route="/health",code="200"} 4000
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{route="/",le="0.25"} %d
http_request_duration_seconds_bucket{route="/",le="+Inf"} %[4]d
http_request_duration_seconds_sum{route="/"} 1.5
http_request_duration_seconds_count{route="/"} %[4]d
# TYPE go_goroutines gauge
go_goroutines 9
`, ok, failed, fast, all)
}

func TestScraperComparesTheVersions(t *testing.T) {
	c := newCluster(t)
	s := c.scraper(t)
	c.put(text, map[string]string{"v1/a": exposed(100, 1, 99, 101), "v2/b": exposed(10, 0, 10, 10)})
	before, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	known := []metrics.Interval{{Metric: "latency le=0.25", End: time.Unix(1_700_000_001, 0), Strata: []stats.Counts{{StableTotal: 101, StableBad: 2}}, Before: true}}
	if diff := cmp.Diff(known, before); diff != "" {
		t.Errorf("the first reading (-want +got):\n%s", diff)
	}
	c.put(text, map[string]string{"v1/a": exposed(190, 2, 180, 192), "v2/b": exposed(15, 5, 14, 20)})
	got, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	interval := func(metric string, stable, stableBad, canary, canaryBad uint64) metrics.Interval {
		return metrics.Interval{Metric: metric, Start: time.Unix(1_700_000_001, 0), End: time.Unix(1_700_000_002, 0),
			Strata: []stats.Counts{{Stratum: "/", StableTotal: stable, StableBad: stableBad, CanaryTotal: canary, CanaryBad: canaryBad}},
			Pods: map[string][]stats.PodCounts{
				"v1": {{Pod: "a", Total: stable, Bad: stableBad}}, "v2": {{Pod: "b", Total: canary, Bad: canaryBad}}}}
	}
	failures := interval("errors", 91, 1, 10, 5)
	failures.Whys = map[string]map[string]uint64{"v1": {"500": 1}, "v2": {"500": 5}}
	want := []metrics.Interval{failures, interval("given-up", 91, 0, 10, 0), interval("latency le=0.25", 91, 10, 10, 6)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("intervals (-want +got):\n%s", diff)
	}
	if c.paths[0] != "/a:8080/proxy/metrics" && c.paths[0] != "/b:8080/proxy/metrics" {
		t.Errorf("read %q", c.paths[0])
	}
}

// A canary that hangs has no counter yet, and a gauge that grows.
func TestScraperSeesWhatIsOpen(t *testing.T) {
	c := newCluster(t)
	s := c.scraper(t)
	var bad, all uint64
	for at := range 20 {
		gauge := func(open int) string {
			return fmt.Sprintf("# TYPE http_requests_in_flight gauge\nhttp_requests_in_flight %d\n", open)
		}
		c.put(text, map[string]string{"v1/a": exposed(90*at, 0, 90*at, 90*at) + gauge(2), "v2/b": gauge(10 * at)})
		got, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range got {
			if i.Metric == metrics.MetricUnanswered && len(i.Strata) > 0 {
				all, bad = all+i.Strata[0].CanaryTotal, bad+i.Strata[0].CanaryBad
			}
		}
	}
	if all != 140 || bad != 140 { // those that were open 5 s before the last second
		t.Errorf("%d of %d are unanswered, want 140 of 140", bad, all)
	}
}

// What is open now is known of the Pods that answer.
func TestOpen(t *testing.T) {
	c := newCluster(t)
	c.put(text, map[string]string{"v1/a": exposed(9, 1, 9, 10),
		"v2/b": "# TYPE http_requests_in_flight gauge\nhttp_requests_in_flight 3\n", "v2/c": "# TYPE http_requests_in_flight gauge\nhttp_requests_in_flight 4\n"})
	got, err := c.scraper(t).Open(t.Context())
	if diff := cmp.Diff(map[string]uint64{"v2": 7}, got); err != nil || diff != "" {
		t.Errorf("%v, open (-want +got):\n%s", err, diff)
	}
	c.put(text, map[string]string{"v2/b": "# TYPE http_requests_in_flight gauge\nhttp_requests_in_flight 3\n", "v2/c": ""})
	got, err = c.scraper(t).Open(t.Context())
	if got["v2"] != 3 || err == nil || !strings.Contains(err.Error(), "1 of 2 Pods did not answer; the first: pod c") {
		t.Errorf("%v, %v: want what one Pod has, and that the other does not answer", got, err)
	}
}

// A cold start is no regression: what a Pod that is new answers first is left out.
func TestScraperLeavesTheWarmUpOut(t *testing.T) {
	c := newCluster(t)
	s := c.scraper(t)
	s.config.WarmUp = 2 * time.Second
	stable := func(n int) string { return exposed(100*n, 0, 100*n, 100*n) }
	var bad, all uint64
	for n, canary := range []string{"", exposed(10, 8, 0, 18), exposed(20, 9, 0, 29), exposed(30, 9, 0, 39), exposed(40, 9, 0, 49), exposed(50, 10, 0, 60)} {
		pods := map[string]string{"v1/a": stable(n + 1)}
		if canary != "" {
			pods["v2/b"] = canary
		}
		c.put(text, pods)
		got, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range got {
			if i.Metric == metrics.MetricErrors {
				all, bad = all+i.Strata[0].CanaryTotal, bad+i.Strata[0].CanaryBad
			}
		}
	}
	// It appeared at the second reading, and two seconds later it was warm.
	if all != 21 || bad != 1 {
		t.Errorf("%d requests of the canary, %d of them bad; want 21 and 1", all, bad)
	}
}

func TestScraperWaitsForAPodThatDoesNotAnswer(t *testing.T) {
	c := newCluster(t)
	s := c.scraper(t)
	var got []metrics.Interval
	for _, b := range []string{exposed(0, 0, 0, 0), "", exposed(9, 1, 9, 10)} {
		c.put(text, map[string]string{"v1/a": exposed(90*len(got)+len(b), 0, 0, 0), "v2/b": b})
		more, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, more...)
	}
	if len(got) == 0 || got[0].End.Sub(got[0].Start) != 2*time.Second || got[0].Strata[0].CanaryTotal != 10 || got[0].Strata[0].CanaryBad != 1 {
		t.Errorf("got %+v, want one interval of both readings, with all that the canary answered", got)
	}
}

func TestScraperDoesNotWaitForAPodThatIsGone(t *testing.T) {
	c := newCluster(t)
	s := c.scraper(t)
	c.put(text, map[string]string{"v1/a": exposed(0, 0, 0, 0), "v2/b": exposed(0, 0, 0, 0), "v2/c": exposed(0, 0, 0, 0)})
	if _, err := s.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.put(text, map[string]string{"v1/a": exposed(90, 0, 0, 0), "v2/b": exposed(10, 0, 0, 0), "v2/d": exposed(4, 1, 0, 0)})
	got, err := s.Next(t.Context())
	if err != nil || len(got) == 0 || got[0].Strata[0].CanaryTotal != 15 || got[0].Strata[0].CanaryBad != 1 {
		t.Errorf("%+v, %v: want what b answered, and all that d did, which is new", got, err)
	}
}

func TestScraperSaysWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(*cluster)
		want    error
		text    string
	}{
		"no Pods":       {func(*cluster) {}, metrics.ErrNoData, "no Pod runs"},
		"no answer":     {func(c *cluster) { c.put(text, map[string]string{"v1/a": ""}) }, metrics.ErrUnavailable, "none of 1 Pods answered; the first: pod a: port 8080/metrics"},
		"other metrics": {func(c *cluster) { c.put(text, map[string]string{"v1/a": "up 1\n"}) }, metrics.ErrNoData, " other names for it) of cart in namespace"},
		"not metrics":   {func(c *cluster) { c.put("text/html", map[string]string{"v1/a": "<html>\n"}) }, metrics.ErrUnavailable, "read its metrics"},
		"not a count": {func(c *cluster) { c.put(text, map[string]string{"v1/a": "http_requests_total{code=\"200\"} NaN\n"}) },
			metrics.ErrNoData, "not a number"},
		"forbidden": {func(c *cluster) { c.refused = true }, nil, "pods is forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			test.prepare(c)
			_, err := c.scraper(t).Next(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.text) || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("%v, want %q wrapping %v", err, test.text, test.want)
			}
		})
	}
}

func header(kind string) http.Header { return http.Header{"Content-Type": {kind}} }

func TestOpenMetrics(t *testing.T) {
	got, err := decode([]byte(`# TYPE http_requests counter
# HELP http_requests Answers.
http_requests_total{route="/a b}",code="500"} 3 1700000000.5 # {trace="x"} 1 2.5
http_requests_created{route="/a b}",code="500"} 1700000000.1
# TYPE t histogram
# UNIT t seconds
t_bucket{le="0.5"} 2 # {trace="y"} .3
t_bucket{le="+Inf"} 3
t_count 3
t_sum 2
# TYPE build info
build_info{v="1"} 1
# TYPE busy gauge
busy{x="1"} 7
# TYPE idle gauge
idle 8
# EOF
`), header(openMetrics), []string{"busy"})
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]metrics.Point{}
	for _, p := range got {
		byName[p.Name] = p
	}
	if p := byName["http_requests_total"]; p.Value != 3 || p.Labels["route"] != "/a b}" || p.Labels["code"] != "500" {
		t.Errorf("the counter is %+v", p)
	}
	h := byName["t"].Histogram
	if h == nil || len(h.Classic) != 2 || h.Classic[0] != (metrics.Cumulative{LE: .5, Count: 2}) || h.Count != 3 {
		t.Errorf("the histogram is %+v", h)
	}
	if p := byName["busy"]; p.Value != 7 || p.Labels["x"] != "1" {
		t.Errorf("the gauge is %+v", p)
	}
	if _, there := byName["idle"]; there {
		t.Error("a gauge that nobody wants was read")
	}
	if _, there := byName["http_requests_created"]; there {
		t.Error("a time of birth was taken for a count")
	}
}

func TestProtobufNativeHistogram(t *testing.T) {
	family := &dto.MetricFamily{Name: proto.String("t"), Type: dto.MetricType_HISTOGRAM.Enum(), Metric: []*dto.Metric{{Histogram: &dto.Histogram{
		SampleCount: proto.Uint64(10), Schema: proto.Int32(1), ZeroCount: proto.Uint64(1), ZeroThreshold: proto.Float64(1e-9),
		PositiveSpan:  []*dto.BucketSpan{{Offset: proto.Int32(-1), Length: proto.Uint32(2)}, {Offset: proto.Int32(2), Length: proto.Uint32(1)}},
		PositiveDelta: []int64{2, 1, 1},
	}}}}
	var body bytes.Buffer
	if err := expfmt.NewEncoder(&body, expfmt.NewFormat(expfmt.TypeProtoDelim)).Encode(family); err != nil {
		t.Fatal(err)
	}
	points, err := decode(body.Bytes(), header(string(expfmt.NewFormat(expfmt.TypeProtoDelim))), nil)
	if err != nil {
		t.Fatal(err)
	}
	// Buckets end at 2^-0.5, 1 and 2^1.5, with 2, 3 and 4 values.
	total, bad, err := metrics.NativeEdges(points[0].Histogram.Count, points[0].Histogram.Native, 1)
	if err != nil || total != 10 {
		t.Fatalf("%d, %v", total, err)
	}
	above := map[float64]uint64{}
	for _, b := range bad {
		above[float64(b.Way)] = b.Count
	}
	for limit, want := range map[float64]uint64{.25: 9, .5: 9, 1: 4, 2: 4, 4: 0} {
		if got, known := above[limit]; got != want || !known {
			t.Errorf("above %v: %d (known %t), want %d", limit, got, known, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(exposed(1, 2, 3, 4)), text)
	f.Add([]byte("# TYPE a counter\na_total{x=\"\\\"}\"} 1 2 # {} 1\n# EOF\n"), openMetrics)
	f.Add([]byte("\x08\n\x01t\x18\x04\"\x02:\x00"), string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
	f.Fuzz(func(t *testing.T, body []byte, kind string) {
		points, err := decode(body, header(kind), []string{"a", "go_goroutines"})
		if err != nil {
			return
		}
		for _, p := range points {
			if p.Histogram != nil {
				_, _, _ = metrics.ClassicEdges(p.Histogram.Classic, 1)
				_, _, _ = metrics.NativeEdges(p.Histogram.Count, p.Histogram.Native, 1)
			}
		}
	})
}
