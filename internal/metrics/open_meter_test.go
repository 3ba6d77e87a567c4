package metrics

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// pod is one whose requests are known: when each began and ended, in seconds.
type pod struct {
	name, version string
	requests      [][2]float64
	calls         *pod    // of gRPC, beside them: counted, and in no histogram
	behind        float64 // how long after the others it is read
}

func forever(int) float64 { return math.Inf(1) }

// stream has so many requests a second begin in [from, to), each of which ends as it
// says; the first after half a pause.
func (p *pod) stream(from, to, rate float64, takes func(i int) float64) {
	for i := 0; ; i++ {
		at := from + (float64(i)+0.5)/rate
		if !(at < to) {
			return
		}
		p.requests = append(p.requests, [2]float64{at, at + takes(i)})
	}
}

func always(seconds float64) func(int) float64 { return func(int) float64 { return seconds } }

// read is what a scrape at a time finds: a gauge of all that is open, counters of what
// ended, of routes that are counted and of others, and how long that took.
func (p *pod) read(at float64) []Point {
	open, ended := 0, [2]float64{}
	edges := []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, math.Inf(1)}
	var took Histogram
	for _, edge := range edges {
		took.Classic = append(took.Classic, Cumulative{LE: edge})
	}
	for i, r := range p.requests {
		switch {
		case r[0] > at:
		case r[1] <= at:
			ended[i%2]++
			for k, edge := range edges {
				if r[1]-r[0] <= edge+1e-9 {
					took.Classic[k].Count++
				}
			}
		default:
			open++
		}
	}
	point := func(name, route string, value float64) Point {
		labels := map[string]string{"namespace": "shop", "pod": p.name}
		if route != "" {
			labels["route"], labels["code"] = route, "200"
		}
		return Point{Name: name, Labels: labels, Version: p.version, Pod: p.name, At: clock(at), Value: value}
	}
	latency := point("http_request_duration_seconds", "/", 0)
	latency.Histogram = &took
	points := []Point{point("http_requests_in_flight", "", float64(open)), latency}
	for i, route := range []string{"/", "/healthz"} {
		if ended[i] > 0 {
			points = append(points, point("http_requests_total", route, ended[i]))
		}
	}
	if p.calls != nil {
		counted := p.calls.read(at)
		handled := counted[1].Histogram.Classic[len(edges)-1].Count
		points = append(points, point("grpc_server_started_total", "", handled+counted[0].Value), point("grpc_server_handled_total", "", handled))
	}
	return points
}

// watchPods reads all Pods every so many seconds, beginning at second 0, and returns
// what was found unanswered by then, with the histograms or without them.
func watchPods(t *testing.T, every, until float64, histograms bool, pods ...*pod) (intervals []Interval) {
	t.Helper()
	m := openMeterOf(t, "app")
	for at := 0.0; at <= until; at += every {
		var points []Point
		for _, p := range pods {
			points = append(points, p.read(at+p.behind)...)
		}
		if !histograms {
			points = slices.DeleteFunc(points, func(p Point) bool { return p.Histogram != nil })
		}
		intervals = append(intervals, m.Read(points)...)
	}
	return intervals
}

func profileOf(t fatal, name string) Profile {
	t.Helper()
	p, err := FindProfile(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func openMeterOf(t fatal, profile string) *OpenMeter {
	t.Helper()
	m, err := NewOpenMeter(profileOf(t, profile), DifferConfig{Release: Release{Namespace: "shop", App: "cart", Service: "cart", Stable: "v1", Canary: "v2"}}, clock(0))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// unanswered sums up, and says when the first of the canary's was found; -1 for never.
func unanswered(intervals []Interval) (all stats.Counts, first float64) {
	first = -1
	for _, i := range intervals {
		for _, c := range i.Strata {
			if c.CanaryBad > 0 && first < 0 {
				first = i.End.Sub(clock(0)).Seconds()
			}
			all.StableTotal, all.StableBad = all.StableTotal+c.StableTotal, all.StableBad+c.StableBad
			all.CanaryTotal, all.CanaryBad = all.CanaryTotal+c.CanaryTotal, all.CanaryBad+c.CanaryBad
		}
	}
	return all, first
}

// Stable answers 90 requests a second in 50 ms, and the canary gets 10 from second 10
// on.
func TestOpenMeter(t *testing.T) {
	const begin, end = 10, 70
	stable := func(rate, takes float64) *pod {
		p := &pod{name: "cart-v1-5d9c7b8f6d-abcde", version: "v1"}
		p.stream(-200, end, rate, always(takes))
		return p
	}
	canary := func(rate float64, takes func(int) float64) *pod {
		p := &pod{name: "cart-v2-77b8f6d5d9-fghij", version: "v2"}
		p.stream(begin, end, rate, takes)
		return p
	}
	oneIn := func(n int, takes float64) func(int) float64 {
		return func(i int) float64 {
			if i%n == 0 {
				return takes
			}
			return 0.05
		}
	}
	// In step with those who read: all that a second has begin 20 ms before.
	inStep := func(p *pod, from, each int) *pod {
		for at := from; at <= end; at++ {
			for range each {
				p.requests = append(p.requests, [2]float64{float64(at) - 0.02, float64(at) + 0.03})
			}
		}
		return p
	}
	streams := func(p *pod, rate, takes float64) *pod {
		p.stream(p.requests[0][0], end, rate, always(takes))
		return p
	}
	stepping := canary(1, always(0.05))
	stepping.stream(30, end, 20, always(0.05))
	stepping.stream(50, end, 200, always(0.05))
	type found struct {
		first float64 // when it is found out; -1 for never
		bad   uint64
	}
	none := found{-1, 0}
	for _, test := range []struct {
		name           string
		every          float64
		stable, canary *pod
		want           found
		histograms     found // that tell how long answers take
	}{
		{"none is answered", 1, stable(90, 0.05), canary(10, forever), found{16, 550}, found{16, 550}},
		{"nor, and it is read rarely", 15, stable(90, 0.05), canary(10, forever), found{30, 350}, found{30, 350}},
		{"half of them are not", 1, stable(90, 0.05), canary(10, oneIn(2, math.Inf(1))), found{21, 250}, found{17, 270}},
		{"a fifth is not", 1, stable(90, 0.05), canary(10, oneIn(5, math.Inf(1))), found{36, 70}, found{20, 102}},
		{"a fifth is left after 10 s", 1, stable(90, 0.05), canary(10, oneIn(5, 10)), none, found{20, 102}},
		{"a twentieth, and it is read rarely", 15, stable(90, 0.05), canary(10, oneIn(20, 10)), none, found{30, 20}},
		{"a fifth is slow, and right", 1, stable(90, 0.05), canary(10, oneIn(5, 4.5)), none, none},
		{"slow, and right", 1, stable(90, 0.05), canary(10, always(4)), none, none},
		{"many at a time", 1, stable(900, 1), canary(100, always(1.5)), none, none},
		{"both poll for long", 1, stable(90, 8), canary(10, always(20)), none, none},
		{"some streams among short ones", 1, streams(stable(90, 0.05), 3, 200), streams(canary(10, always(0.05)), 0.3, 200), none, none},
		{"stable takes minutes", 1, stable(10, 150), canary(10, forever), none, none},
		{"steps upwards", 1, stable(90, 0.05), stepping, none, none},
		{"hardly any traffic", 1, stable(0.5, 0.05), canary(0.2, always(0.05)), none, none},
		{"in step", 1, inStep(stable(0, 0), -200, 90), inStep(canary(0, nil), begin, 10), none, none},
	} {
		for histograms, want := range map[bool]found{false: test.want, true: test.histograms} {
			t.Run(fmt.Sprintf("%s, histograms %v", test.name, histograms), func(t *testing.T) {
				all, first := unanswered(watchPods(t, test.every, end, histograms, test.stable, test.canary))
				if got := (found{first, all.CanaryBad}); got != want || all.StableBad != 0 {
					t.Errorf("found at second %v, want %v; %+v, want %d of the canary's and none of stable's", first, want.first, all, want.bad)
				}
				if want.bad == 0 && all.StableTotal == 0 {
					t.Error("nothing was compared")
				}
			})
		}
	}
}

// However slow its answers are for so little of them to be seen, a good canary's are
// none that hang.
func TestOpenMeterOfGoodCanaries(t *testing.T) {
	const begin, end = 10, 90
	pods := func(streams ...[2]float64) (stable, canary *pod) { // each so many a second, that take so long
		stable, canary = &pod{name: "cart-v1-5d9c7b8f6d-abcde", version: "v1"}, &pod{name: "cart-v2-77b8f6d5d9-fghij", version: "v2"}
		for _, s := range streams {
			stable.stream(-200, end, 9*s[0], always(s[1]))
			canary.stream(begin, end, s[0], always(s[1]))
		}
		return stable, canary
	}
	tests := map[string][]*pod{}
	add := func(name string, pods ...*pod) { tests[name] = pods }

	stable, canary := pods([2]float64{10, 0.01})
	stable.calls, canary.calls = &pod{}, &pod{}
	stable.calls.stream(-200, end, 90, always(0.01))
	canary.calls.stream(begin, end, 10, always(3))
	add("slow calls that no histogram has, beside quick requests that one has", stable, canary)

	stable, canary = pods([2]float64{100, 0.01})
	cold := &pod{name: "cart-v2-77b8f6d5d9-klmno", version: "v2"}
	cold.stream(begin, end, 3, always(4))
	add("a Pod is slow, and gets few requests", stable, canary, cold)

	stable, canary = pods([2]float64{98, 0.01}, [2]float64{2, 25})
	add("a few poll for long", stable, canary)
	stable, canary = pods([2]float64{8, 0.01}, [2]float64{2, 25})
	add("many poll for long", stable, canary)

	stable, canary = pods()
	for at := -200.0; at <= end; at++ {
		for i := range 100 {
			if p := []*pod{stable, canary}[i/90]; p == stable || at >= begin {
				p.requests = append(p.requests, [2]float64{at - 0.02, at + 0.03})
			}
		}
	}
	stable.behind = 0.5
	add("in step with who reads the canary", stable, canary)

	for name, pods := range tests {
		for _, every := range []float64{1, 5, 15, 30} {
			t.Run(fmt.Sprintf("%s, read every %v s", name, every), func(t *testing.T) {
				all, first := unanswered(watchPods(t, every, end, true, pods...))
				if all.CanaryBad != 0 || all.StableTotal == 0 || all.CanaryTotal == 0 {
					t.Errorf("found at second %v: %+v", first, all)
				}
			})
		}
	}
}

// An answer may take as long as the plan says.
func TestOpenMeterWithin(t *testing.T) {
	for within, bad := range map[time.Duration]uint64{0: 110, 20 * time.Second: 80, time.Hour: 0} {
		m := openMeterOf(t, "app")
		m.config.Within = within
		var intervals []Interval
		for at := 0; at <= 60; at += 5 {
			intervals = append(intervals, m.Read(append(found("v1", float64(at), 0, 10*at), found("v2", float64(at), 2*at, 0)...))...)
		}
		if all, _ := unanswered(intervals); all.CanaryBad != bad {
			t.Errorf("within %s: %+v, want %d bad", within, all, bad)
		}
	}
}

// fatal is what a test and rapid's have in common.
type fatal interface {
	Helper()
	Fatal(args ...any)
}

// found is what a scrape of a Pod of the canary, or of stable, finds.
func found(version string, at float64, open, ended int) []Point {
	name := map[string]string{"v1": "cart-v1-5d9c7b8f6d-abcde", "v2": "cart-v2-77b8f6d5d9-fghij"}[version]
	labels := func(more ...string) map[string]string {
		all := map[string]string{"namespace": "shop", "pod": name, "job": "pods"}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	points := []Point{{Name: "http_requests_in_flight", Labels: labels(), Version: version, Pod: name, At: clock(at), Value: float64(open)}}
	if ended >= 0 {
		points = append(points, Point{Name: "http_requests_total", Labels: labels("code", "200"), Version: version, Pod: name, At: clock(at), Value: float64(ended)})
	}
	return points
}

// Stable answers 10 requests a second at once. Of the canary's readings each is open,
// ended, and none where there was no scrape.
func TestOpenMeterOfReadings(t *testing.T) {
	type read = map[int][2]int // by second
	every5 := func(open func(at int) int, ended func(at int) int) read {
		r := read{}
		for at := 0; at <= 60; at += 5 {
			r[at] = [2]int{open(at), ended(at)}
		}
		return r
	}
	none := func(int) int { return 0 }
	hangs := func(at int) int { return 2 * at }
	without := func(r read, at ...int) read {
		for _, a := range at {
			delete(r, a)
		}
		return r
	}
	restarts := every5(func(at int) int { return 2 * (at % 30) }, func(at int) int { return at % 30 / 5 })
	for _, test := range []struct {
		name       string
		canary     read
		total, bad uint64
	}{
		{"hangs", every5(hangs, none), 110, 110},
		{"hangs, and no request has ended, so that nothing counts them", every5(hangs, func(int) int { return -1 }), 110, 110},
		{"what was open from the start is history", every5(func(int) int { return 50 }, func(at int) int { return at }), 60, 0},
		{"scrapes are missing", without(every5(hangs, none), 10, 40, 50), 110, 110},
		{"begins anew while it hangs", restarts, 79, 69},
		{"all leave in the end", every5(func(at int) int { return 2 * min(at, 60-at) }, func(at int) int { return max(0, 4*(at-30)) }), 170, 50},
		{"a reading lacks what had been counted", every5(none, func(at int) int { return max(at, 1) * (1 - map[int]int{30: 1}[at]) }), 59, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := openMeterOf(t, "app")
			var intervals []Interval
			for at := 0; at <= 60; at++ {
				points := found("v1", float64(at), 0, 1000+10*at)
				if r, ok := test.canary[at]; ok {
					points = append(points, found("v2", float64(at), r[0], r[1])...)
				}
				intervals = append(intervals, m.Read(points)...)
			}
			all, _ := unanswered(intervals)
			if all.StableBad > 0 || all.CanaryTotal != test.total || all.CanaryBad != test.bad {
				t.Errorf("%+v, want %d bad of %d, and none of stable's", all, test.bad, test.total)
			}
		})
	}
}

// What starts and ends is counted apart, and what is left out is in neither.
func TestOpenMeterOfPairs(t *testing.T) {
	call := func(name, service, pod, version string, at, value float64) Point {
		return Point{Name: name, Version: version, Pod: pod, At: clock(at), Value: value,
			Labels: map[string]string{"namespace": "shop", "pod": pod, "grpc_service": service, "grpc_method": "Get"}}
	}
	m := openMeterOf(t, "app")
	var intervals []Interval
	for at := 0.0; at <= 30; at += 5 {
		intervals = append(intervals, m.Read([]Point{
			call("grpc_server_started_total", "shop.Cart", "a", "v1", at, 90*at+1), call("grpc_server_handled_total", "shop.Cart", "a", "v1", at, 90*at),
			call("grpc_server_started_total", "shop.Cart", "b", "v2", at, 10*at), call("grpc_server_handled_total", "shop.Cart", "b", "v2", at, 2*at),
			call("grpc_server_started_total", "grpc.health.v1.Health", "b", "v2", at, 900),
		})...)
	}
	all, _ := unanswered(intervals)
	if want := (stats.Counts{StableTotal: 2700, CanaryTotal: 250, CanaryBad: 190}); all != want {
		t.Errorf("%+v, want %+v", all, want)
	}
}

// A sender counts the requests of both versions, and those that ended without one may
// have been of either.
func TestOpenMeterOfSenders(t *testing.T) {
	sent := func(version string, at, value float64) Point {
		return Point{Name: "istio_requests_total", Version: version, At: clock(at), Value: value,
			Labels: map[string]string{"reporter": "source", "instance": "gateway", "destination_version": version}}
	}
	received := sent("v2", 0, 7000)
	received.Labels = map[string]string{"reporter": "destination", "instance": "gateway"}
	active := func(version string, at, value float64) Point {
		return Point{Name: "envoy_cluster_upstream_rq_active", Version: version, At: clock(at), Value: value, Labels: map[string]string{"instance": "gateway"}}
	}
	m := openMeterOf(t, "istio")
	var intervals []Interval
	for at := 0.0; at <= 30; at += 5 {
		received.At, received.Value = clock(at), received.Value+1000
		intervals = append(intervals, m.Read([]Point{
			active("v1", at, 1), sent("v1", at, 100*at), active("v2", at, 10*at), sent("v2", at, at), sent("", at, at), received,
		})...)
	}
	all, _ := unanswered(intervals)
	// Of the 250 that were open 5 s before the end, at most 10 have ended.
	if want := (stats.Counts{StableTotal: 3000, CanaryTotal: 270, CanaryBad: 240}); all != want {
		t.Errorf("%+v, want %+v", all, want)
	}
	if pods := intervals[len(intervals)-1].Pods; pods != nil {
		t.Errorf("a sender told of Pods: %v", pods)
	}
}

// Two jobs that read one Pod tell of the same requests.
func TestOpenMeterOfReaders(t *testing.T) {
	m := openMeterOf(t, "app")
	var intervals []Interval
	for at := 0; at <= 30; at++ {
		points := append(found("v1", float64(at), 0, 10*at), found("v2", float64(at), 2*at, 0)...)
		for _, p := range points {
			p.Labels = maps.Clone(p.Labels)
			p.Labels["job"] = "others"
			points = append(points, p)
		}
		intervals = append(intervals, m.Read(points)...)
	}
	if all, _ := unanswered(intervals); all != (stats.Counts{StableTotal: 300, CanaryTotal: 50, CanaryBad: 50}) {
		t.Errorf("%+v", all)
	}
}

// Whatever the requests do and however rarely they are read, never more are found than
// were open for longer than 5 s.
func TestOpenMeterFindsNoneTooMany(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const end = 60
		draw := func(name, version string, fewest int) *pod {
			p := &pod{name: name, version: version}
			for range rapid.IntRange(fewest, 60).Draw(t, name) {
				begin := rapid.Float64Range(-20, end).Draw(t, "begin")
				p.requests = append(p.requests, [2]float64{begin, begin + rapid.OneOf(rapid.Float64Range(0, 4), rapid.Float64Range(0, 100)).Draw(t, "takes")})
			}
			return p
		}
		stable, canary := draw("cart-v1-5d9c7b8f6d-abcde", "v1", 10), draw("cart-v2-77b8f6d5d9-fghij", "v2", 0)
		if rapid.Bool().Draw(t, "quick") { // and the canary's histogram is believed
			stable.requests = nil
			stable.stream(-20, end, 2, always(0.05))
		}
		var scrapes []float64
		for at := 0.0; at <= end; at += rapid.Float64Range(0.5, 20).Draw(t, "pause") {
			scrapes = append(scrapes, at)
		}
		m := openMeterOf(t, "app")
		bad := map[string]int{}
		for _, at := range scrapes {
			for _, i := range m.Read(slices.Concat(stable.read(at), canary.read(at))) {
				for _, c := range i.Strata {
					bad["v1"], bad["v2"] = bad["v1"]+int(c.StableBad), bad["v2"]+int(c.CanaryBad)
				}
			}
			for _, p := range []*pod{stable, canary} {
				if older := p.older(scrapes, at); bad[p.version] > older {
					t.Fatalf("%d of %s found at %v, and %d were open for longer than 5 s", bad[p.version], p.version, at, older)
				}
			}
		}
	})
}

// older is how many were open for longer than 5 s at any of the scrapes up to one, or
// when they ended.
func (p *pod) older(scrapes []float64, until float64) (n int) {
	for _, r := range p.requests {
		if r[1] <= until && r[1]-r[0] > 5 || slices.ContainsFunc(scrapes, func(at float64) bool { return at <= until && r[0]+5 <= at && at < r[1] }) {
			n++
		}
	}
	return n
}

// A histogram that was not read for once is no news when it is back.
func TestLateAnswers(t *testing.T) {
	histogram := func(total, above uint64) took {
		return took{total, []Bad{{Way: 1, Count: above}, {Way: 10, Count: above}}}
	}
	for _, test := range []struct {
		name         string
		before, last reading
		want         uint64
	}{
		{"some", reading{ended: 100, took: histogram(100, 5)}, reading{ended: 150, took: histogram(150, 12)}, 7},
		{"the first", reading{}, reading{ended: 50, took: histogram(50, 50)}, 50},
		{"it was missing", reading{ended: 100}, reading{ended: 150, took: histogram(150, 12)}, 0},
		{"one of its series was missing", reading{ended: 100, took: histogram(60, 0)}, reading{ended: 150, took: histogram(150, 45)}, 5},
		{"it is missing", reading{ended: 100, took: histogram(100, 5)}, reading{ended: 150}, 0},
		{"it began anew", reading{ended: 100, took: histogram(100, 5)}, reading{ended: 150, took: histogram(50, 3)}, 0},
		{"it has other edges", reading{ended: 100, took: histogram(100, 5)}, reading{ended: 150, took: took{150, []Bad{{Way: 8, Count: 50}}}}, 0},
	} {
		a := aged{past: []reading{test.before, test.last}}
		if got := a.late(normal{5 * time.Second, true}); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

// What counts as too long follows from what stable did so far, and lately.
func TestOpenAge(t *testing.T) {
	type minute struct{ open, ended uint64 } // at any time of it, and in all
	for _, test := range []struct {
		name    string
		minutes []minute
		want    time.Duration
	}{
		{"nothing is known", nil, 0},
		{"none has ended", []minute{{open: 1}}, 0},
		{"quick answers", []minute{{6, 6000}}, 5 * time.Second},
		{"slow ones", []minute{{40, 600}}, 12 * time.Second},
		{"they take minutes", []minute{{50, 10}}, 0},
		{"slow of late", []minute{{1, 6000}, {1, 6000}, {100, 600}}, 26 * time.Second},
		{"stopped answering", []minute{{1, 6000}, {100, 0}, {100, 0}}, 0},
		{"quick again", []minute{{40, 600}, {1, 600}, {1, 600}, {1, 600}}, 5 * time.Second},
		{"no traffic any more", []minute{{10, 600}, {}, {}, {}}, 5 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			var p pacing
			var last reading
			at := 0.0
			for _, m := range test.minutes {
				for range 12 {
					before := last
					before.open, before.at = m.open, clock(at)
					at += 5
					last = reading{at: clock(at), open: m.open, ended: before.ended + m.ended/12}
					p.learn(before, last)
				}
			}
			if diff := cmp.Diff(test.want, p.age().Round(time.Second)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
