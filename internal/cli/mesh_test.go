package cli

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// FakeMesh is a Prometheus that has scraped a mesh every second for as long as anybody can ask:
// 900 requests a second to v1 of an application in namespace default, and 100 to
// v2, until Route says otherwise. It can be killed, and has scraped nothing
// meanwhile when it comes back.
type FakeMesh struct {
	server *httptest.Server
	now    func() time.Time

	mu    sync.Mutex
	down  time.Time // since when it is dead; zero while it lives
	gaps  [][2]int64
	asked int
	bad   map[string]float64            // share of bad requests by version
	slow  map[string]map[string]float64 // share of requests up to an edge in ms, by version
	turns []turn
	hangs time.Time // since when v2 ends no request; zero while it does
}

// turn is since when so many requests a second go to v2, out of all.
type turn struct {
	since time.Time
	rate  float64
}

// all is how many requests a second there are.
const all = 1000

// NewFakeMesh serves until Close. bad is the share of bad requests by version.
func NewFakeMesh(now func() time.Time, bad map[string]float64) *FakeMesh {
	f := &FakeMesh{now: now, bad: bad, turns: []turn{{time.Unix(began, 0), 100}}}
	f.server = httptest.NewServer(f)
	return f
}

// URL is where it answers.
func (f *FakeMesh) URL() string { return f.server.URL }

// Close ends it.
func (f *FakeMesh) Close() { f.server.Close() }

// Kill makes it break every connection, until it is revived.
func (f *FakeMesh) Kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = f.now()
}

// Revive lets it scrape and answer again.
func (f *FakeMesh) Revive() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gaps, f.down = append(f.gaps, [2]int64{f.down.Unix(), f.now().Unix()}), time.Time{}
}

// Route sends v2 so many percent of the requests from now on.
func (f *FakeMesh) Route(percent int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turns = append(f.turns, turn{f.now(), float64(percent) * all / 100})
}

// Asked is how many queries came, answered or not.
func (f *FakeMesh) Asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// Histogram gives it latencies: 5% of v1's requests take longer than 250 ms, and
// so many times as many of v2's.
func (f *FakeMesh) Histogram(times float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slow = map[string]map[string]float64{}
	for version, times := range map[string]float64{"v1": 1, "v2": times} {
		f.slow[version] = map[string]float64{"50": 0.4, "100": 0.8, "250": 1 - times*0.05, "500": 1 - times*0.01, "+Inf": 1}
	}
}

// Hang has v2 answer nothing.
func (f *FakeMesh) Hang() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hangs = f.now()
}

func (f *FakeMesh) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if !f.down.IsZero() {
		panic(http.ErrAbortHandler)
	}
	var lookback time.Duration
	if m := regexp.MustCompile(`\[(\d+)ms\]$`).FindStringSubmatch(r.FormValue("query")); m != nil {
		ms, _ := strconv.Atoi(m[1])
		lookback = time.Duration(ms) * time.Millisecond
	}
	w.Header()["Date"] = nil // whole seconds; our own clock is the finer one
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{
		"resultType": "matrix", "result": f.series(r.FormValue("query"), lookback),
	}})
}

// series are those that a query names, with their samples of the last while.
func (f *FakeMesh) series(query string, lookback time.Duration) []any {
	found, now := []any{}, f.now() // one for all: whoever scrapes does so at one time
	for _, version := range []string{"v1", "v2"} {
		labels := func(name, label, value string) map[string]string {
			return map[string]string{"__name__": name, "reporter": "destination", "instance": "router", label: value,
				"destination_service_namespace": "default", "destination_service_name": "versioned-echo", "destination_version": version}
		}
		if regexp.MustCompile(`=~"istio_requests_total"`).MatchString(query) {
			bad := f.bad[version]
			found = append(found, f.counter(version, labels("istio_requests_total", "response_code", "200"), 1-bad, now, lookback),
				f.counter(version, labels("istio_requests_total", "response_code", "503"), bad, now, lookback))
		}
		if regexp.MustCompile(`"istio_request_duration`).MatchString(query) {
			for edge, within := range f.slow[version] {
				found = append(found, f.counter(version, labels("istio_request_duration_milliseconds_bucket", "le", edge), within, now, lookback))
			}
		}
	}
	return found
}

// began is when the counters began to count.
const began = 1_700_000_000

// answered is how many requests a version had at a time.
func (f *FakeMesh) answered(version string, at int64) float64 {
	if version == "v2" && !f.hangs.IsZero() {
		at = min(at, f.hangs.Unix())
	}
	sum, until := 0.0, time.Unix(at, 0)
	for i := len(f.turns) - 1; i >= 0; i-- {
		if passed := until.Sub(f.turns[i].since).Seconds(); passed > 0 {
			sum += passed * f.turns[i].rate
			until = f.turns[i].since
		}
	}
	if version == "v1" {
		return float64(at-began)*all - sum
	}
	return sum
}

// counter is of a share of a version's requests, and has a sample for every whole
// second.
func (f *FakeMesh) counter(version string, labels map[string]string, share float64, now time.Time, lookback time.Duration) map[string]any {
	values := [][2]any{}
	for at := now.Add(-lookback).Unix() + 1; at <= now.Unix(); at++ {
		if slices.ContainsFunc(f.gaps, func(gap [2]int64) bool { return gap[0] < at && at <= gap[1] }) {
			continue
		}
		values = append(values, [2]any{at, fmt.Sprint(math.Floor(share * f.answered(version, at)))})
	}
	return map[string]any{"metric": labels, "values": values}
}
