package metrics

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// outcome is what one request of the canary adds, by the names of the metrics.
type outcome struct{ answered, failed, ended, givenUp uint64 }

func good() outcome      { return outcome{answered: 1, ended: 1} }
func failed() outcome    { return outcome{answered: 1, failed: 1, ended: 1} }
func givenUp() outcome   { return outcome{ended: 1, givenUp: 1} }
func uncounted() outcome { return outcome{} }

// How each failure is counted, by profile: the labels are those that the real
// software writes. docs/analyze.md has the same table in words.
func TestOutcomes(t *testing.T) {
	istio := func(reporter, code, flags, grpc string) map[string]string {
		return map[string]string{"reporter": reporter, "destination_service_namespace": "shop", "destination_service_name": "cart",
			"destination_version": "v2", "response_code": code, "response_flags": flags, "grpc_response_status": grpc,
			"source_workload": "web", "source_workload_namespace": "shop", "instance": "10.0.0.1:15090"}
	}
	pod := func(pairs ...string) map[string]string {
		labels := map[string]string{"namespace": "shop", "pod": "cart-v2-5d9c7b8f6d-abcde"}
		for i := 0; i < len(pairs); i += 2 {
			labels[pairs[i]] = pairs[i+1]
		}
		return labels
	}
	const requests, handled = "istio_requests_total", "grpc_server_handled_total"
	for _, test := range []struct {
		what, profile, name string
		labels              map[string]string
		want                outcome
	}{
		{"200", "istio", requests, istio("destination", "200", "-", ""), good()},
		{"404", "istio", requests, istio("destination", "404", "-", ""), good()},
		{"500", "istio", requests, istio("destination", "500", "-", ""), failed()},
		{"reset before the headers", "istio", requests, istio("destination", "503", "UC", ""), failed()},
		{"a body that breaks off", "istio", requests, istio("destination", "200", "UPE", ""), failed()},
		{"a body that breaks off, as it is sent on", "istio", requests, istio("source", "200", "UPE", ""), failed()},
		{"the route's time-out, at the Pod", "istio-destination", requests, istio("destination", "0", "DC", ""), givenUp()},
		{"the route's time-out, where the version is known", "istio", requests, istio("source", "504", "UT", ""), failed()},
		{"a user who left", "istio", requests, istio("source", "0", "DC", ""), givenUp()},
		{"a user who reset the stream", "istio", requests, istio("source", "0", "DR", ""), givenUp()},
		{"a download that its user ended", "istio", requests, istio("destination", "200", "DC", ""), good()},
		{"a download that its user ended, in HTTP/2", "istio", requests, istio("source", "200", "DR", ""), good()},
		{"a WebSocket that its user ended", "istio", requests, istio("destination", "101", "DC", ""), good()},
		{"a WebSocket that its server ended", "istio", requests, istio("destination", "101", "UC", ""), good()},
		{"connection refused, tried again", "istio", requests, istio("source", "503", "UF,URX", ""), failed()},
		{"no Pod", "istio", requests, istio("source", "503", "UH", ""), failed()},
		{"gRPC OK", "istio", requests, istio("destination", "200", "-", "0"), good()},
		{"gRPC NotFound", "istio", requests, istio("destination", "200", "-", "5"), good()},
		{"gRPC Internal", "istio", requests, istio("destination", "200", "-", "13"), failed()},
		{"gRPC Unavailable for want of a Pod", "istio", requests, istio("source", "200", "UH", "14"), failed()},
		{"gRPC deadline", "istio", requests, istio("destination", "200", "-", "4"), failed()},
		{"gRPC call that its client cancelled", "istio", requests, istio("destination", "200", "-", "1"), givenUp()},
		{"gRPC stream that its client ended in peace", "istio", requests, istio("destination", "200", "DR", "2"), good()},
		{"gRPC stream whose client's connection ended", "istio", requests, istio("destination", "200", "DC", "2"), good()},
		{"gRPC Unknown", "istio", requests, istio("destination", "200", "-", "2"), failed()},

		{"500", "app", "http_requests_total", pod("code", "500"), failed()},
		{"client closed the request", "app", "http_requests_total", pod("status", "499"), givenUp()},
		{"404", "app", "http_requests_total", pod("status", "404"), good()},
		{"500", "app", "http_server_request_duration_seconds_count", pod("http_response_status_code", "500"), failed()},
		{"500", "app", "http_server_requests_seconds_count", pod("status", "500"), failed()},
		{"gRPC Internal", "app", handled, pod("grpc_code", "Internal", "grpc_type", "unary"), failed()},
		{"gRPC NotFound", "app", handled, pod("grpc_code", "NotFound", "grpc_type", "unary"), good()},
		{"gRPC cancelled", "app", handled, pod("grpc_code", "Canceled", "grpc_type", "unary"), givenUp()},
		{"gRPC stream ended in peace", "app", handled, pod("grpc_code", "Canceled", "grpc_type", "server_stream"), good()},
		{"gRPC health", "app", handled, pod("grpc_code", "Internal", "grpc_service", "grpc.health.v1.Health"), uncounted()},
		{"a Java server", "app", handled, pod("grpc_code", "UNAVAILABLE", "grpc_type", "UNARY"), failed()},
		{"OpenTelemetry until 2025", "app", "rpc_server_duration_milliseconds_count", pod("rpc_grpc_status_code", "14"), failed()},
		{"OpenTelemetry", "app", "rpc_server_call_duration_seconds_count", pod("rpc_response_status_code", "DATA_LOSS"), failed()},
		{"OpenTelemetry, NotFound", "app", "rpc_server_call_duration_seconds_count", pod("rpc_response_status_code", "NOT_FOUND"), good()},
		{"Connect", "app", "rpc_server_duration_milliseconds_count", pod("rpc_connect_rpc_error_code", "deadline_exceeded"), failed()},
		{"Connect, cancelled", "app", "rpc_server_duration_milliseconds_count", pod("rpc_connect_rpc_error_code", "canceled"), givenUp()},
		{"Connect, well", "app", "rpc_server_duration_milliseconds_count", pod(), good()},
	} {
		t.Run(test.profile+"/"+test.name+"/"+test.what, func(t *testing.T) {
			p, err := FindProfile(test.profile)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, countOne(t, p, test.name, test.labels), cmp.AllowUnexported(outcome{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// countOne is what one more request of a series comes to.
func countOne(t *testing.T, p Profile, name string, labels map[string]string) outcome {
	t.Helper()
	m, err := NewMeter(p, DifferConfig{Metric: MetricErrors, Release: cart()}, clock(0))
	if err != nil {
		t.Fatal(err)
	}
	m.Read([]Point{{Name: name, Labels: labels, Version: "v2", At: clock(0), Value: 7}})
	var got outcome
	for _, i := range m.Read([]Point{{Name: name, Labels: labels, Version: "v2", At: clock(1), Value: 8}}) {
		switch i.Metric {
		case MetricErrors:
			got.answered, got.failed = i.Strata[0].CanaryTotal, i.Strata[0].CanaryBad
		case MetricGivenUp:
			got.ended, got.givenUp = i.Strata[0].CanaryTotal, i.Strata[0].CanaryBad
		}
	}
	return got
}

func cart() Release {
	return Release{Namespace: "shop", App: "cart", Service: "cart", Stable: "v1", Canary: "v2"}
}

func TestWhichGRPCStatusesFail(t *testing.T) {
	p, err := FindProfile("istio")
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{"reporter": "destination", "response_code": "200", "grpc_response_status": "8"}
	if got := countOne(t, p, "istio_requests_total", labels); got != good() {
		t.Errorf("ResourceExhausted is %+v where nobody says", got)
	}
	if got := countOne(t, p.WithGRPCFailed([]string{"ResourceExhausted"}), "istio_requests_total", labels); got != failed() {
		t.Errorf("ResourceExhausted is %+v where it is said to be a failure", got)
	}
	labels["grpc_response_status"] = "13"
	if got := countOne(t, p.WithGRPCFailed(nil), "istio_requests_total", labels); got != good() {
		t.Errorf("Internal is %+v where none is said to be a failure", got)
	}
	for text, want := range map[string]string{"14": "Unavailable", "UNAVAILABLE": "Unavailable", "deadline_exceeded": "DeadlineExceeded", "Cancelled": "Canceled"} {
		if got, err := ParseGRPCStatus(text); got != want || err != nil {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"17", "-1", "Broken", ""} {
		if got, err := ParseGRPCStatus(text); err == nil {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
}

// mesh makes points as Prometheus has them, of one service and one sender.
type meshPoints struct {
	meter *Meter
	at    float64
	value map[string]float64
}

func newMesh(t *testing.T) *meshPoints {
	t.Helper()
	p, err := FindProfile("istio")
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMeter(p, DifferConfig{Metric: MetricErrors, Release: cart()}, clock(0))
	if err != nil {
		t.Fatal(err)
	}
	return &meshPoints{meter: m, value: map[string]float64{}}
}

// more is so many more requests of a kind: who counts, the sender, the version, the
// code and flags.
type more struct {
	reporter, from, version, code, flags string
	n                                    float64
}

// pass lets a second pass, and returns what became of the given requests: the
// counts of the errors and of the given up.
func (m *meshPoints) pass(all ...more) (errors, left stats.Counts, unread []string) {
	for _, one := range all {
		m.value[one.key()] += one.n
	}
	m.at++
	var points []Point
	for key, value := range m.value {
		labels := labelsOf(key)
		version := labels["destination_version"]
		if version == "unknown" {
			version = ""
		}
		points = append(points, Point{Name: "istio_requests_total", Labels: labels, Version: version, At: clock(m.at), Value: value})
	}
	for _, i := range m.meter.Read(points) {
		switch i.Metric {
		case MetricErrors:
			errors, unread = i.Strata[0], i.Unread
		case MetricGivenUp:
			left, unread = i.Strata[0], i.Unread
		}
	}
	return errors, left, unread
}

func (m more) key() string {
	return m.reporter + " " + m.from + " " + m.version + " " + m.code + " " + m.flags
}

func labelsOf(key string) map[string]string {
	var f [5]string
	for i, rest := 0, key; i < 5; i++ {
		f[i], rest, _ = cut(rest)
	}
	labels := map[string]string{"reporter": f[0], "source_workload": f[1], "source_workload_namespace": "shop",
		"destination_version": f[2], "response_code": f[3], "response_flags": f[4], "instance": f[1]}
	if f[0] == "destination" {
		labels["instance"] = "pod of " + f[2]
	}
	return maps.Clone(labels)
}

func cut(s string) (before, after string, found bool) {
	for i := range s {
		if s[i] == ' ' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// Where both sides count, a request counts once, as its user saw it.
func TestSenderAndReceiver(t *testing.T) {
	sent := func(version, code, flags string, n float64) more {
		return more{"source", "web", version, code, flags, n}
	}
	received := func(version, code, flags string, n float64) more {
		return more{"destination", "web", version, code, flags, n}
	}
	begin := []more{sent("v1", "200", "-", 0), sent("v2", "200", "-", 0), received("v1", "200", "-", 0), received("v2", "200", "-", 0)}
	both := func(stable, canary float64) []more {
		return []more{sent("v1", "200", "-", stable), sent("v2", "200", "-", canary), received("v1", "200", "-", stable), received("v2", "200", "-", canary)}
	}
	for _, test := range []struct {
		what         string
		all          []more
		errors, left stats.Counts
	}{
		{"once", both(90, 10),
			stats.Counts{StableTotal: 90, CanaryTotal: 10}, stats.Counts{StableTotal: 90, CanaryTotal: 10}},
		{"three tries are one failure", append(both(90, 7), sent("v2", "503", "URX", 3), received("v2", "503", "-", 9)),
			stats.Counts{StableTotal: 90, CanaryTotal: 10, CanaryBad: 3}, stats.Counts{StableTotal: 90, CanaryTotal: 10}},
		{"a try that helped is none", append(both(90, 10), received("v2", "503", "-", 4)),
			stats.Counts{StableTotal: 90, CanaryTotal: 10}, stats.Counts{StableTotal: 90, CanaryTotal: 10}},
		{"time-outs are of whom the receivers saw left", append(both(90, 7), sent("unknown", "504", "UT", 3), received("v2", "0", "DC", 3)),
			stats.Counts{StableTotal: 90, CanaryTotal: 10, CanaryBad: 3}, stats.Counts{StableTotal: 90, CanaryTotal: 10}},
		{"and users who left, too", append(both(89, 8), sent("unknown", "0", "DC", 3), received("v2", "0", "DC", 2), received("v1", "0", "DC", 1)),
			stats.Counts{StableTotal: 89, CanaryTotal: 8}, stats.Counts{StableTotal: 90, StableBad: 1, CanaryTotal: 10, CanaryBad: 2}},
		{"who is known to have left is not taken for a time-out", append(both(90, 8), sent("v2", "0", "DC", 2), received("v2", "0", "DC", 2)),
			stats.Counts{StableTotal: 90, CanaryTotal: 8}, stats.Counts{StableTotal: 90, CanaryTotal: 10, CanaryBad: 2}},
		{"who sends without a sidecar is known from the receivers", append(both(90, 10),
			more{"destination", "unknown", "v1", "200", "-", 5}, more{"destination", "unknown", "v2", "500", "-", 1}),
			stats.Counts{StableTotal: 95, CanaryTotal: 11, CanaryBad: 1}, stats.Counts{StableTotal: 95, CanaryTotal: 11}},
	} {
		t.Run(test.what, func(t *testing.T) {
			m := newMesh(t)
			m.pass(append(begin, more{"destination", "unknown", "v1", "200", "-", 0}, more{"destination", "unknown", "v2", "500", "-", 0})...)
			errors, left, unread := m.pass(test.all...)
			if diff := cmp.Diff([]stats.Counts{test.errors, test.left}, []stats.Counts{errors, left}); diff != "" {
				t.Errorf("errors and given up (-want +got):\n%s", diff)
			}
			if unread != nil {
				t.Errorf("%v could not be counted, though the sender was read", unread)
			}
		})
	}
}

// Both sides are read at different times: what one has not told yet is waited for,
// once; and nobody is blamed for what never reached a Pod.
func TestNobodysRequestsWaitForTheReceivers(t *testing.T) {
	m := newMesh(t)
	m.pass(more{"source", "web", "v1", "200", "-", 0}, more{"source", "web", "v2", "200", "-", 0}, more{"destination", "web", "v1", "200", "-", 0}, more{"destination", "web", "v2", "0", "DC", 0})
	usual := []more{{"source", "web", "v1", "200", "-", 90}, {"source", "web", "v2", "200", "-", 10}}
	if errors, _, _ := m.pass(append(usual, more{"source", "web", "unknown", "504", "UT", 5})...); errors.CanaryBad+errors.StableBad != 0 {
		t.Errorf("nobody knows yet whose they are: %+v", errors)
	}
	if errors, _, _ := m.pass(append(usual, more{"destination", "web", "v2", "0", "DC", 5})...); errors.CanaryBad != 5 || errors.StableBad != 0 {
		t.Errorf("the receiver said a second later that all 5 are the canary's: %+v", errors)
	}
	m.pass(append(usual, more{"source", "web", "unknown", "503", "UH", 100})...)
	errors, _, _ := m.pass(usual...)
	if errors.StableBad != 90 || errors.CanaryBad != 10 {
		t.Errorf("what reached no Pod is shared as the rest is, 90 to 10: %+v", errors)
	}
}

// A version of which nothing was read is not a version without requests.
func TestUnread(t *testing.T) {
	read := func(points ...Point) []string {
		p, err := FindProfile("app")
		if err != nil {
			t.Fatal(err)
		}
		m, err := NewMeter(p, DifferConfig{Metric: MetricErrors, Release: cart()}, clock(0))
		if err != nil {
			t.Fatal(err)
		}
		intervals := m.Read(points)
		if len(intervals) == 0 {
			t.Fatal("no interval")
		}
		return intervals[len(intervals)-1].Unread
	}
	of := func(version, route string, at, value float64) Point {
		pod := "cart-" + version + "-5d9c7b8f6d-abcde"
		return Point{Name: "http_requests_total", Labels: map[string]string{"namespace": "shop", "pod": pod, "route": route, "code": "200"},
			Version: version, Pod: pod, At: clock(at), Value: value}
	}
	if got := read(of("v1", "/", 0, 0), of("v1", "/", 1, 90)); !cmp.Equal(got, []string{"v2"}) {
		t.Errorf("no Pod of v2 was read, and %v are said to be unread", got)
	}
	probed := []Point{of("v1", "/", 0, 0), of("v2", "/health", 0, 3), of("v1", "/", 1, 90), of("v2", "/health", 1, 4)}
	if got := read(probed...); got != nil {
		t.Errorf("v2 was read, though it answered nobody but a probe: unread %v", got)
	}
	if got := read(append(probed, of("v1", "/", 2, 180), of("v1", "/", 13, 900), of("v1", "/", 14, 990))...); !cmp.Equal(got, []string{"v2"}) {
		t.Errorf("v2 was not read any more, and %v are said to be unread", got)
	}
}

func TestWhy(t *testing.T) {
	istio := []string{"response_code", "response_flags", "grpc_response_status"}
	for _, test := range []struct{ code, flags, grpc, want string }{
		{"503", "-", "", "503"},
		{"504", "UT", "", "504, time-out of the route"},
		{"503", "UF,URX", "", "503, no connection to the Pod"},
		{"200", "UPE", "", "200, the answer broke off"},
		{"0", "DC", "", "the user left"},
		{"200", "-", "13", "gRPC Internal"},
		{"200", "UH", "14", "gRPC Unavailable, no healthy Pod"},
		{"200", "UT", "14", "gRPC Unavailable, time-out of the route or the caller's deadline"},
		{"200", "-", "0", "200"},
	} {
		labels := map[string]string{"response_code": test.code, "response_flags": test.flags, "grpc_response_status": test.grpc}
		if got := why(labels, istio); got != test.want {
			t.Errorf("%s %s %s: %q, want %q", test.code, test.flags, test.grpc, got, test.want)
		}
	}
	if got := why(map[string]string{"grpc_code": "Internal"}, []string{"grpc_code"}); got != "gRPC Internal" {
		t.Errorf("of go-grpc: %q", got)
	}
}
