package prometheus

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// every is a Prometheus that scrapes series of both versions at a steady pace,
// and answers with what lies in the range that is asked for.
type every struct {
	*httptest.Server
	clock   time.Time
	period  time.Duration
	series  int
	delayed time.Duration
	ranges  []time.Duration
}

func newEvery(t testing.TB, period time.Duration, series int) *every {
	f := &every{clock: time.Unix(1_700_000_000, 0), period: period, series: series}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *every) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.FormValue("query")
	text := query[strings.LastIndexByte(query, '[')+1 : len(query)-3]
	ms, _ := strconv.Atoi(text)
	lookback := time.Duration(ms) * time.Millisecond
	f.ranges = append(f.ranges, lookback)
	w.Header().Set("Date", f.clock.UTC().Format(http.TimeFormat))
	result := []map[string]any{}
	if strings.Contains(query, "istio_requests_total") {
		for n := range f.series {
			labels := mesh("cart", fmt.Sprintf("v%d", 1+n%2), "200")
			labels["instance"] = fmt.Sprintf("router-%d:80", n)
			values := [][2]any{}
			for at := f.clock.Add(-lookback).Truncate(f.period).Add(f.period); !at.After(f.clock.Add(-f.delayed)); at = at.Add(f.period) {
				values = append(values, [2]any{at.Unix(), fmt.Sprint(at.Unix() - 1_600_000_000)})
			}
			if len(values) > 0 {
				result = append(result, map[string]any{"metric": labels, "values": values})
			}
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": result}})
}

// watched is a stream of it, by its clock.
func (f *every) watched(t testing.TB, window time.Duration) metrics.Stream {
	t.Helper()
	base, err := url.Parse(f.URL)
	if err != nil {
		t.Fatal(err)
	}
	p, err := metrics.FindProfile("istio")
	if err != nil {
		t.Fatal(err)
	}
	w, err := At(base, f.Client()).Watch(Config{Profile: p, Releases: []metrics.Release{release("cart")}, Guard: quick(), Window: window, Now: func() time.Time { return f.clock }})
	if err != nil {
		t.Fatal(err)
	}
	return w.Streams()[0]
}

// count goes on for a time, asking so often, and sums what was counted.
func (f *every) count(t *testing.T, s metrics.Stream, d, between time.Duration) (requests uint64) {
	t.Helper()
	for end := f.clock.Add(d); f.clock.Before(end); f.clock = f.clock.Add(between) {
		got, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range got {
			if i.Metric != metrics.MetricErrors {
				continue
			}
			requests += i.Strata[0].StableTotal + i.Strata[0].CanaryTotal
		}
	}
	return requests
}

// Once it is known how often is scraped, no more is asked for than may be new, so
// that it can be asked often; and nothing is missed.
func TestWatchAsksForLittle(t *testing.T) {
	for _, test := range []struct {
		period, delayed, most time.Duration
	}{
		{time.Second, 0, 15 * time.Second},
		{15 * time.Second, 0, 70 * time.Second},
		{30 * time.Second, 0, 130 * time.Second},
		{time.Second, 40 * time.Second, 60 * time.Second}, // is told late, as of what is written from afar
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			f := newEvery(t, test.period, 2)
			f.delayed = test.delayed
			s := f.watched(t, 0)
			const long = 10 * time.Minute
			counted := f.count(t, s, long, time.Second)
			first, last := f.ranges[0], f.ranges[len(f.ranges)-1]
			if first != DefaultWindow || last > test.most {
				t.Errorf("asks for %s at first and for %s in the end, want %s and at most %s", first, last, DefaultWindow, test.most)
			}
			if want := 2 * (long - test.delayed - 2*test.period).Seconds(); float64(counted) < want-4 || float64(counted) > 2*long.Seconds() {
				t.Errorf("counted %d requests, want %v", counted, want)
			}
			// Nobody asked for ten minutes: all that is new is asked for.
			f.clock = f.clock.Add(long)
			f.ranges = nil
			if _, err := s.Next(t.Context()); err != nil || f.ranges[0] < long {
				t.Errorf("after a pause of %s it asks for %s: %v", long, f.ranges[0], err)
			}
		})
	}
}

// 20 series of a second each: what a look costs at the full window, and at what is
// left of it once the pace of scrapes is known.
func BenchmarkLook(b *testing.B) {
	for _, seconds := range []int{130, 12} {
		b.Run(fmt.Sprintf("%ds", seconds), func(b *testing.B) {
			f := newEvery(b, time.Second, 20)
			base, err := url.Parse(f.URL)
			if err != nil {
				b.Fatal(err)
			}
			server := At(base, f.Client())
			for b.Loop() {
				r, err := server.raw(b.Context(), `{__name__=~"istio_requests_total"}`, time.Duration(seconds)*time.Second)
				if err != nil {
					b.Fatal(err)
				}
				points(r.series)
			}
		})
	}
}
