package prometheus

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

const v1Pod, v2Pod = "cart-v1-5d9c7b8f6d-abcde", "cart-v2-77b8f6d5d9-fghij"

// ofPod is a series that a Pod has by itself.
func ofPod(name, pod string, more ...string) map[string]string {
	labels := map[string]string{"__name__": name, "namespace": "shop", "pod": pod, "job": "x"}
	for i := 0; i < len(more); i += 2 {
		labels[more[i]] = more[i+1]
	}
	return labels
}

// everyFive are values of every fifth second up to one.
func everyFive(until int, value func(at int) float64) (pairs []float64) {
	for at := 0; at <= until; at += 5 {
		pairs = append(pairs, float64(at), value(at))
	}
	return pairs
}

// unanswered sums up what was found.
func unanswered(intervals []metrics.Interval) (all stats.Counts) {
	for _, i := range intervals {
		if i.Metric != metrics.MetricUnanswered {
			continue
		}
		for _, c := range i.Strata {
			all.StableTotal, all.StableBad = all.StableTotal+c.StableTotal, all.StableBad+c.StableBad
			all.CanaryTotal, all.CanaryBad = all.CanaryTotal+c.CanaryTotal, all.CanaryBad+c.CanaryBad
		}
	}
	return all
}

// A canary that has never answered has no counter, and its gauge alone tells of it.
func TestWatchReadsWhatIsOpen(t *testing.T) {
	f := newHistory(t)
	stream := watch(t, f.server(t), "app", release("cart"))[0]
	var found []metrics.Interval
	for at := 0; at <= 30; at += 5 {
		f.put(series5("http_requests_in_flight", v1Pod, at, func(int) float64 { return 1 }), series5("http_requests_in_flight", v2Pod, at, func(at int) float64 { return float64(10 * at) }),
			series5("http_requests_total", v1Pod, at, func(at int) float64 { return float64(90 * at) }))
		found = append(found, next(t, stream)...)
		f.pass(5)
	}
	if all, want := unanswered(found), (stats.Counts{StableTotal: 2700, CanaryTotal: 250, CanaryBad: 250}); all != want {
		t.Errorf("%+v, want %+v", all, want)
	}
}

func series5(name, pod string, until int, value func(at int) float64) map[string]any {
	return at(ofPod(name, pod, "code", "200"), everyFive(until, value)...)
}

// Whoever has no gauge is not asked for one again.
func TestWatchAsksForGaugesOnlyWhereThereAreAny(t *testing.T) {
	f := newHistory(t)
	stream := watch(t, f.server(t), "app", release("cart"))[0]
	asked := func() (n int) {
		for _, q := range f.asked {
			if strings.Contains(q, "in_flight") {
				n++
			}
		}
		return n
	}
	_, _ = stream.Next(t.Context()) // nothing is there yet
	_, _ = stream.Next(t.Context())
	if n := asked(); n != 2 {
		t.Errorf("asked %d times for gauges while nothing is known, want 2", n)
	}
	f.put(series5("http_requests_total", v1Pod, 0, func(int) float64 { return 100 }))
	next(t, stream)
	before := asked()
	next(t, stream)
	if n := asked(); n != before {
		t.Errorf("asked %d times more, although the Pods have counters and no gauge", n-before)
	}
}

// Receivers' histograms tell how long answers take, and say nothing of what a sender
// has open: its own do.
func TestWatchReadsLongAnswersOfSenders(t *testing.T) {
	f := newHistory(t)
	stream := watch(t, f.server(t), "istio", release("cart"))[0]
	of := func(name, reporter, version string, more ...string) map[string]string {
		labels := map[string]string{"__name__": name, "reporter": reporter, "destination_version": version, "job": "x",
			"destination_service_namespace": "shop", "destination_service_name": "cart", "instance": reporter + version}
		for i := 0; i < len(more); i += 2 {
			labels[more[i]] = more[i+1]
		}
		return labels
	}
	var found []metrics.Interval
	for until := 0; until <= 30; until++ {
		every := func(value func(at int) float64) (pairs []float64) {
			for at := range until + 1 {
				pairs = append(pairs, float64(at), value(at))
			}
			return pairs
		}
		var all []map[string]any
		for version, rate := range map[string]float64{"v1": 90, "v2": 9} {
			answered := every(func(at int) float64 { return rate * float64(at) })
			for _, reporter := range []string{"source", "destination"} {
				all = append(all, at(of("istio_requests_total", reporter, version, "response_code", "200"), answered...))
				for _, le := range []string{"100", "500", "+Inf"} {
					all = append(all, at(of("istio_request_duration_milliseconds_bucket", reporter, version, "le", le), answered...))
				}
			}
		}
		hangs := of("envoy_cluster_upstream_rq_active", "source", "", "cluster_name", "outbound|80|v2|cart.shop.svc.cluster.local")
		hangs["instance"] = "sourcev2"
		f.put(append(all, at(hangs, every(func(at int) float64 { return float64(at) })...),
			at(of("envoy_cluster_upstream_rq_active", "source", "", "instance", "sourcev1", "cluster_name", "outbound|80|v1|cart.shop.svc.cluster.local"), every(func(int) float64 { return 1 })...))...)
		found = append(found, next(t, stream)...)
		f.pass(1)
	}
	if all := unanswered(found); all.StableBad != 0 || all.CanaryBad < 10 {
		t.Errorf("%+v, want what has hung for longer than 5 s, but for a second's answers", all)
	}
	if !slices.ContainsFunc(f.asked, func(q string) bool { return strings.Contains(q, `le=~`) && strings.Contains(q, `reporter=~"source"`) }) {
		t.Errorf("senders' histograms were not asked for: %q", f.asked[len(f.asked)-3:])
	}
}

func TestHistoryReadsWhatIsOpen(t *testing.T) {
	a := &archive{series: []archived{
		podSeries("http_requests_in_flight", "cart-v1-7d4f-aaaaa", "", func(int) int { return 1 }),
		podSeries("http_requests_in_flight", "cart-v2-7d4f-bbbbb", "", func(at int) int { return 2 * at }),
		podSeries("http_requests_total", "cart-v1-7d4f-aaaaa", "200", rate(10)),
	}}
	intervals := readStored(t, a.server(t), HistoryConfig{Release: release("cart"), From: minutesIn(1), To: minutesIn(5), Chunk: 2 * time.Minute})
	all := unanswered(intervals)
	// What was open at the beginning is history, and the last scrape's is not old enough.
	if want := (stats.Counts{StableTotal: 2400, CanaryTotal: 480, CanaryBad: 480}); all != want {
		t.Errorf("%+v, want %+v", all, want)
	}
	if slices.ContainsFunc(intervals, func(i metrics.Interval) bool {
		return i.Metric == metrics.MetricUnanswered && i.Start.Before(minutesIn(1))
	}) {
		t.Error("an interval begins before what was asked for")
	}
}

// An instant query does, and says no version that it knows nothing of.
func TestOpen(t *testing.T) {
	var asked []string
	f := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.FormValue("query"))
		one := func(name, pod, value string, more ...string) map[string]any {
			return map[string]any{"metric": ofPod(name, pod, more...), "value": [2]any{1_700_000_000, value}}
		}
		result := []any{one("http_requests_in_flight", v2Pod, "12"), one("grpc_server_started_total", v2Pod, "9"), one("grpc_server_handled_total", v2Pod, "4", "grpc_code", "OK"),
			map[string]any{"metric": ofPod("http_server_request_duration_seconds", v2Pod), "histogram": []any{1, map[string]any{}}}}
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "vector", "result": result}})
	}))
	defer f.Close()
	p, err := metrics.FindProfile("app")
	if err != nil {
		t.Fatal(err)
	}
	got, err := At(parse(t, f.URL), f.Client()).Open(t.Context(), p, release("cart"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]uint64{"v2": 17}, got); diff != "" {
		t.Errorf("open (-want +got):\n%s", diff)
	}
	const want = `{__name__=~"http_requests_in_flight|in_flight_requests|http_server_active_requests|grpc_server_started_total|grpc_server_handled_total",namespace=`
	if len(asked) != 1 || !strings.HasPrefix(asked[0], want) {
		t.Errorf("asked %q, want one query that begins with %s", asked, want)
	}
}
