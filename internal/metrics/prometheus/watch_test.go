package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// history is a Prometheus that holds counters and answers range selectors by the
// metric that they name. Its clock is its own.
type history struct {
	*httptest.Server
	mu      sync.Mutex
	now     time.Time
	series  []map[string]any
	fails   int // answers 503 that many times
	asked   []string
	methods []string
}

func newHistory(t *testing.T) *history {
	f := &history{now: time.Unix(1_700_000_000, 0)}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *history) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	query := r.FormValue("query")
	f.asked, f.methods = append(f.asked, query), append(f.methods, r.Method)
	if f.fails > 0 {
		f.fails--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Date", f.now.UTC().Format(http.TimeFormat))
	result := []map[string]any{}
	for _, s := range f.series {
		name := s["metric"].(map[string]string)["__name__"]
		if strings.Contains(query, strings.TrimSuffix(name, "_bucket")) {
			result = append(result, s)
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": result}})
}

// put replaces what is scraped: values by second.
func (f *history) put(series ...map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.series = series
}

func (f *history) pass(seconds int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(time.Duration(seconds) * time.Second)
}

func (f *history) server(t *testing.T) *Server {
	base, err := url.Parse(f.URL)
	if err != nil {
		t.Fatal(err)
	}
	return At(base, f.Client())
}

// at is seconds and values in turn.
func at(labels map[string]string, pairs ...float64) map[string]any {
	values := [][2]any{}
	for i := 0; i < len(pairs); i += 2 {
		values = append(values, [2]any{1_700_000_000 + pairs[i], fmt.Sprint(pairs[i+1])})
	}
	return map[string]any{"metric": labels, "values": values}
}

func mesh(service, version, code string) map[string]string {
	return map[string]string{"__name__": "istio_requests_total", "reporter": "destination", "instance": "router:80",
		"destination_service_namespace": "shop", "destination_service_name": service, "destination_version": version, "response_code": code}
}

func quick() metrics.GuardConfig {
	c := metrics.DefaultGuard()
	c.Backoff = time.Millisecond
	return c
}

func watch(t *testing.T, s *Server, profile string, releases ...metrics.Release) []metrics.Stream {
	t.Helper()
	p, err := metrics.FindProfile(profile)
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Watch(Config{Profile: p, Releases: releases, Guard: quick()})
	if err != nil {
		t.Fatal(err)
	}
	return w.Streams()
}

func next(t *testing.T, s metrics.Stream) []metrics.Interval {
	t.Helper()
	got, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func release(service string) metrics.Release {
	return metrics.Release{Namespace: "shop", App: service, Service: service, Stable: "v1", Canary: "v2"}
}

// none is the interval of which nobody left before the answer.
func none(stratum string, stable, canary uint64) metrics.Interval {
	return metrics.Interval{Metric: metrics.MetricGivenUp, Start: time.Unix(1_700_000_001, 0), End: time.Unix(1_700_000_005, 0),
		Strata: []stats.Counts{{Stratum: stratum, StableTotal: stable, CanaryTotal: canary}}}
}

func TestWatchCountsErrorsOfTheMesh(t *testing.T) {
	f := newHistory(t)
	stream := watch(t, f.server(t), "istio", release("cart"))[0]

	f.put(at(mesh("cart", "v1", "200"), -10, 100, -5, 150, 0, 190))
	if got := next(t, stream); got != nil {
		t.Errorf("the first look gave %v, want only where to count from", got)
	}
	f.pass(5)
	f.put(at(mesh("cart", "v1", "200"), -5, 150, 0, 190, 5, 280), // the canary's series begin with its traffic
		at(mesh("cart", "v2", "200"), 5, 9), at(mesh("cart", "v2", "503"), 5, 1))
	want := []metrics.Interval{{Metric: "errors", Start: time.Unix(1_700_000_001, 0), End: time.Unix(1_700_000_005, 0),
		Strata: []stats.Counts{{StableTotal: 90, CanaryTotal: 10, CanaryBad: 1}},
		Whys:   map[string]map[string]uint64{"v2": {"503": 1}}}, none("", 90, 10)}
	if diff := cmp.Diff(want, next(t, stream)); diff != "" {
		t.Errorf("intervals (-want +got):\n%s", diff)
	}
	if got := next(t, stream); got != nil {
		t.Errorf("the same samples again gave %v", got)
	}
}

func bucket(pod, le string) map[string]string {
	return map[string]string{"__name__": "http_request_duration_seconds_bucket", "namespace": "shop", "pod": pod, "le": le, "route": "/", "job": "x"}
}

func TestWatchReadsHistograms(t *testing.T) {
	f := newHistory(t)
	stream := watch(t, f.server(t), "app", release("cart"))[0]
	v1, v2 := "cart-v1-5d9c7b8f6d-abcde", "cart-v2-77b8f6d5d9-fghij"
	scrapes := func(v1le1, v1le5, v1all, v2le1, v2all float64) {
		f.put(at(bucket(v1, "0.1"), 0, 0, 5, v1le1), at(bucket(v1, "0.5"), 0, 0, 5, v1le5), at(bucket(v1, "+Inf"), 0, 0, 5, v1all),
			at(bucket(v2, "0.1"), 0, 0, 5, v2le1), at(bucket(v2, "+Inf"), 0, 0, 5, v2all),
			at(bucket("cart-v1-beta-5d9c7b8f6d-abcde", "+Inf"), 0, 0, 5, 7000)) // another Deployment
	}
	f.put(at(bucket(v1, "0.1"), 0, 0), at(bucket(v1, "0.5"), 0, 0), at(bucket(v1, "+Inf"), 0, 0),
		at(bucket(v2, "0.1"), 0, 0), at(bucket(v2, "+Inf"), 0, 0))
	next(t, stream)
	f.pass(5)
	scrapes(80, 88, 90, 6, 10)
	got := next(t, stream)
	want := []metrics.Interval{{Metric: "latency le=0.1", Start: time.Unix(1_700_000_001, 0), End: time.Unix(1_700_000_005, 0),
		Strata: []stats.Counts{{Stratum: "/", StableTotal: 90, StableBad: 10, CanaryTotal: 10, CanaryBad: 4}},
		Pods:   map[string][]stats.PodCounts{"v1": {{Pod: v1, Total: 90, Bad: 10}}, "v2": {{Pod: v2, Total: 10, Bad: 4}}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("only the edge that both have (-want +got):\n%s", diff)
	}
}

// A gateway's Pod answered nobody: it says nothing of how the application's Pods
// differ.
func TestWatchReadsIngresses(t *testing.T) {
	f := newHistory(t)
	stream := watch(t, f.server(t), "ingress-nginx", release("cart"))[0]
	count := func(canary, status string) map[string]string {
		return map[string]string{"__name__": "nginx_ingress_controller_requests", "namespace": "shop", "service": "cart-v1", "ingress": "cart",
			"canary": canary, "status": status, "path": "/", "pod": "controller-5d9c7b8f6d-abcde"}
	}
	f.put(at(count("", "200"), 0, 100), at(count("shop-cart-v2-80", "200"), 0, 10))
	next(t, stream)
	f.pass(5)
	f.put(at(count("", "200"), 0, 100, 5, 190), at(count("shop-cart-v2-80", "200"), 0, 10, 5, 17), at(count("shop-cart-v2-80", "5xx"), 5, 3))
	want := []metrics.Interval{{Metric: "errors", Start: time.Unix(1_700_000_001, 0), End: time.Unix(1_700_000_005, 0),
		Strata: []stats.Counts{{Stratum: "/", StableTotal: 90, CanaryTotal: 10, CanaryBad: 3}},
		Whys:   map[string]map[string]uint64{"v2": {"5xx": 3}}}, none("/", 90, 10)}
	if diff := cmp.Diff(want, next(t, stream)); diff != "" {
		t.Errorf("intervals (-want +got):\n%s", diff)
	}
}

// The number of queries does not grow with the number of releases.
func TestWatchAsksOncePerMetric(t *testing.T) {
	ask := func(n int) (queries int, methods []string) {
		f := newHistory(t)
		var releases []metrics.Release
		for i := range n {
			releases = append(releases, release(fmt.Sprintf("service-%d", i)))
		}
		f.put(at(mesh("service-0", "v1", "200"), 0, 1))
		for i, s := range watch(t, f.server(t), "istio", releases...) {
			if _, err := s.Next(t.Context()); (err != nil) != (i > 0) || i > 0 && !errors.Is(err, metrics.ErrNoData) {
				t.Errorf("release %d: %v", i, err)
			}
		}
		return len(f.asked), f.methods
	}
	one, gets := ask(1)
	hundred, posts := ask(300)
	if one != 3 || hundred != one {
		t.Errorf("%d queries for one release, %d for many; want 3, one for each metric and for what is open", one, hundred)
	}
	if gets[0] != http.MethodGet || posts[0] != http.MethodPost {
		t.Errorf("asked by %s and %s, want a GET until the query is too long for it", gets[0], posts[0])
	}
}

func TestSelector(t *testing.T) {
	f := newHistory(t)
	_, _ = watch(t, f.server(t), "istio", release("cart"), release("pay.v2"))[0].Next(t.Context())
	_, _ = watch(t, f.server(t), "app", release("cart"))[0].Next(t.Context())
	_, _ = watch(t, f.server(t), "ingress-nginx", release("cart"))[0].Next(t.Context())
	mesh := `,destination_service_name=~"cart|cart-v1|cart-v2|pay\\.v2|pay\\.v2-v1|pay\\.v2-v2",destination_service_namespace=~"shop",destination_version=~"(unknown)?|v1|v2",reporter=~"`
	const both, received = `source|destination|waypoint"}[130000ms]`, `destination|waypoint"}[130000ms]`
	pods := `,namespace=~"shop",pod=~"cart-v1-[0-9a-z]+-[0-9a-z]{5}|cart-v2-[0-9a-z]+-[0-9a-z]{5}"}[130000ms]`
	nginx := `,canary=~"|shop-cart(-ingress)?-v1-((http|https|grpc)-)?[^-]+|shop-cart(-ingress)?-v2-((http|https|grpc)-)?[^-]+",namespace=~"shop",service=~"cart(-ingress)?-v1|cart(-ingress)?-v2|cart-.+"}[130000ms]`
	clusters := ""
	for i, c := range []string{"|cart-v1.shop", "|cart-v2.shop", "|pay.v2-v1.shop", "|pay.v2-v2.shop", "v1|cart.shop", "v1|pay.v2.shop", "v2|cart.shop", "v2|pay.v2.shop"} {
		if i > 0 {
			clusters += "|"
		}
		clusters += strings.ReplaceAll(regexp.QuoteMeta("outbound|[0-9]+|"), `\[0-9\]\+`, "[0-9]+") + regexp.QuoteMeta(c) + `\.svc\..*`
	}
	want := []string{
		`{__name__=~"envoy_cluster_upstream_rq_active",cluster_name=~` + strconv.Quote(clusters) + `}[130000ms]`,
		`{__name__=~"istio_requests_total"` + mesh + both,
		`{__name__=~"istio_request_duration_milliseconds|istio_request_duration_milliseconds_bucket"` + mesh + received,
		`{__name__=~"http_requests_in_flight|in_flight_requests|http_server_active_requests|grpc_server_started_total"` + pods,
		`{__name__=~"http_requests_total|http_server_request_duration_seconds_count|http_server_request_duration_seconds|http_server_requests_seconds_count|http_server_requests_seconds|` +
			`grpc_server_handled_total|rpc_server_call_duration_seconds_count|rpc_server_call_duration_seconds|rpc_server_duration_milliseconds_count|` +
			`rpc_server_duration_milliseconds|rpc_server_duration_seconds_count|rpc_server_duration_seconds|rpc_server_duration_count|rpc_server_duration"` + pods,
		`{__name__=~"http_request_duration_seconds|http_request_duration_seconds_bucket|http_server_request_duration_seconds|http_server_request_duration_seconds_bucket|http_server_requests_seconds|http_server_requests_seconds_bucket|` +
			`grpc_server_handling_seconds|grpc_server_handling_seconds_bucket|rpc_server_call_duration_seconds|rpc_server_call_duration_seconds_bucket|` +
			`rpc_server_duration_milliseconds|rpc_server_duration_milliseconds_bucket|rpc_server_duration_seconds|rpc_server_duration_seconds_bucket"` + pods,
		`{__name__=~"nginx_ingress_controller_requests"` + nginx,
		`{__name__=~"nginx_ingress_controller_request_duration_seconds|nginx_ingress_controller_request_duration_seconds_bucket|nginx_ingress_controller_response_duration_seconds|nginx_ingress_controller_response_duration_seconds_bucket"` + nginx,
	}
	if diff := cmp.Diff(want, f.asked); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
}

func TestWatchRecovers(t *testing.T) {
	f := newHistory(t)
	stream := watch(t, f.server(t), "istio", release("cart"))[0]
	f.put(at(mesh("cart", "v1", "200"), 0, 100), at(mesh("cart", "v2", "200"), 0, 10))
	f.fails = 1
	next(t, stream) // the second attempt succeeds

	f.fails = 3
	if _, err := stream.Next(t.Context()); !errors.Is(err, metrics.ErrUnavailable) {
		t.Errorf("a server that fails: %v", err)
	}
	f.pass(10)
	f.put(at(mesh("cart", "v1", "200"), 0, 100, 5, 190, 10, 280), at(mesh("cart", "v2", "200"), 0, 10, 5, 20, 10, 30))
	var total uint64
	for _, i := range next(t, stream) {
		if i.Metric != metrics.MetricErrors {
			continue
		}
		total += i.Strata[0].StableTotal + i.Strata[0].CanaryTotal
	}
	if total != 200 {
		t.Errorf("counted %d requests, want 200: what was scraped meanwhile is not lost", total)
	}
}

func TestWatchSaysWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct {
		answer string
		code   int
		want   error
		text   string
	}{
		"no data":  {`{"status":"success","data":{"resultType":"matrix","result":[]}}`, 200, metrics.ErrNoData, "no istio_requests_total"},
		"starting": {`Service Unavailable`, 503, metrics.ErrUnavailable, "503"},
		"absent":   {`{"kind":"Status","message":"services \"prometheus\" not found"}`, 404, metrics.ErrAbsent, "not found"},
		"refused":  {`{"status":"error","error":"query processing would load too many samples"}`, 422, nil, "too many samples"},
		"vector":   {`{"status":"success","data":{"resultType":"vector","result":[]}}`, 200, nil, "want a matrix"},
		"broken":   {`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,2]]}]}}`, 200, nil, "not a string"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.code)
				_, _ = w.Write([]byte(test.answer))
			}))
			defer s.Close()
			base, _ := url.Parse(s.URL)
			_, err := watch(t, At(base, s.Client()), "istio", release("cart"))[0].Next(context.Background())
			if err == nil || !strings.Contains(err.Error(), test.text) || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("%v, want %q wrapping %v", err, test.text, test.want)
			}
		})
	}
}

func TestNativeHistogram(t *testing.T) {
	series, err := decodeMatrix(200, []byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"x"},
		"histograms":[[1700000000.5,{"count":"7","sum":"3","buckets":[[3,"-0.001","0.001","1"],[0,"0.5","1","4"],[0,"1","2","2"]]}]]}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []metrics.Point{{Name: "x", Labels: map[string]string{}, At: time.UnixMilli(1_700_000_000_500),
		Histogram: &metrics.Histogram{Count: 7, Native: []metrics.Bucket{{Lower: -.001, Upper: .001, Count: 1}, {Lower: .5, Upper: 1, Count: 4}, {Lower: 1, Upper: 2, Count: 2}}}}}
	if diff := cmp.Diff(want, points(series)); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
}

func FuzzDecodeMatrix(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"x_bucket","le":"+Inf"},"values":[[1,"NaN"]],"histograms":[[1,{"count":"1","buckets":[[0,"1","2","1"]]}]]}]}}`))
	f.Add([]byte(`{"status":"error","error":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		series, err := decodeMatrix(200, body)
		if err != nil {
			return
		}
		for _, p := range points(series) {
			if p.Labels == nil {
				t.Fatal("a point without labels")
			}
		}
	})
}
