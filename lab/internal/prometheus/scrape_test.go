package prometheus

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/prometheus/model/labels"
)

// newTarget scrapes a handler with the labels that a Pod's target has.
func newTarget(handler http.Handler, honor bool) *target {
	return &target{
		endpoint: endpoint{pool: "test", handler: handler, interval: time.Second, honor: honor,
			labels: labels.FromStrings("job", "web", "instance", "10.244.0.1:8080", "pod", "web-1")},
		cache: map[string]*cached{}, metadata: map[string]metadata{},
	}
}

// now asks for the present.
func now(t *testing.T, p *Prometheus, query string) []string {
	t.Helper()
	return ask(t, p.client(t), query, time.Since(epoch()).Seconds())
}

func TestScrapeKeepsClassicAndNativeHistograms(t *testing.T) {
	p, registry := newTest(t), prometheus.NewRegistry()
	duration := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "request_seconds", Help: "Time.", Buckets: []float64{0.1, 1}, NativeHistogramBucketFactor: 1.1})
	registry.MustRegister(duration)
	duration.Observe(0.05)
	duration.Observe(0.5)
	one := newTarget(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), false)
	one.scrape(t.Context(), p.store, nil)
	tests := map[string][]string{
		`request_seconds_bucket{le="0.1"}`:      {`request_seconds_bucket{instance="10.244.0.1:8080", job="web", le="0.1", pod="web-1"} => 1`},
		`sum(request_seconds_count)`:            {`{} => 2`},
		`histogram_count(sum(request_seconds))`: {`{} => 2`},
		`sum(histogram_sum(request_seconds))`:   {`{} => 0.55`},
		`up`:                                    {`up{instance="10.244.0.1:8080", job="web", pod="web-1"} => 1`},
		`sum(scrape_samples_scraped)`:           {`{} => 6`}, // two buckets and +Inf, count, sum, the native one
		`count(scrape_duration_seconds{} < 10)`: {`{} => 1`},
	}
	for query, want := range tests {
		if diff := cmp.Diff(want, now(t, p, query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	if diff := cmp.Diff(map[string]metadata{"request_seconds": {Type: "histogram", Help: "Time."}}, one.metadata); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

func TestScrapeLabels(t *testing.T) {
	const text = "a{job=\"own\",code=\"200\"} 1\n"
	for honor, want := range map[bool]string{
		false: `a{code="200", exported_job="own", instance="10.244.0.1:8080", job="web", pod="web-1"} => 1`,
		true:  `a{code="200", instance="10.244.0.1:8080", job="own", pod="web-1"} => 1`,
	} {
		p := newTest(t)
		newTarget(exposing(&[]string{text}), honor).scrape(t.Context(), p.store, nil)
		if diff := cmp.Diff([]string{want}, now(t, p, "a")); diff != "" {
			t.Errorf("honorLabels %v (-want +got):\n%s", honor, diff)
		}
	}
}

// exposing answers with the texts in turn; an empty one is a failure.
func exposing(texts *[]string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		text := (*texts)[0]
		*texts = (*texts)[1:]
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		if text == "" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = w.Write([]byte(text))
	})
}

func TestScrapeEndsWhatIsGone(t *testing.T) {
	p := newTest(t)
	texts := []string{"a 1\nb 1\n", "a 2\n", "", "a 3\nb 3\n", "a 4\nb {"}
	one := newTarget(exposing(&texts), false)
	tests := []struct {
		name  string
		want  []string // the sum of a and b by name, and up
		error string
	}{
		{"both", []string{"a 1", "b 1", "up 1"}, ""},
		{"b is gone", []string{"a 2", "up 1"}, ""},
		{"the target fails", []string{"up 0"}, "server returned HTTP status 500"},
		{"it is back", []string{"a 3", "b 3", "up 1"}, ""},
		{"half an answer counts as none", []string{"up 0"}, "parse the answer"},
	}
	for _, test := range tests {
		before := time.Now().UnixMilli()
		for time.Now().UnixMilli() == before { // samples of one series differ in their millisecond
			time.Sleep(100 * time.Microsecond)
		}
		one.scrape(t.Context(), p.store, nil)
		got := []string{}
		for _, line := range now(t, p, `sum by (__name__) ({__name__=~"a|b|up"})`) {
			name, value, _ := strings.Cut(line, " => ")
			got = append(got, strings.TrimSuffix(name, "{}")+" "+value)
		}
		slices.Sort(got)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if shown := one.show(); !strings.Contains(shown.LastError, test.error) || (test.error == "") != (shown.Health == "up") {
			t.Errorf("%s: target is %+v", test.name, shown)
		}
	}
	one.end(time.Now().Add(time.Millisecond))
	if got := ask(t, p.client(t), "up", time.Since(epoch()).Seconds()+1); len(got) > 0 {
		t.Errorf("after its target is gone, up is still %v", got)
	}
}

// Series that come and go leave room for those to come.
func TestStoreForgetsSeriesInTime(t *testing.T) {
	s := newStore(time.Hour, 1000, 1<<20)
	at := epoch()
	for n := range 3000 {
		at = at.Add(time.Second)
		if err := s.append(labels.FromStrings("__name__", "x", "pod", strconv.Itoa(n)), sample{t: at.UnixMilli()}); err != nil {
			t.Fatalf("series %d: %v", n, err)
		}
		if n%30 == 0 {
			s.sweep(at)
		}
	}
}

func TestStoreBounds(t *testing.T) {
	s := newStore(time.Hour, 2, 15_000)
	start := epoch()
	write := func(name string, from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			at := sample{t: start.Add(time.Duration(i) * time.Second).UnixMilli(), v: float64(i*i%977) / 7}
			if err := s.append(labels.FromStrings("__name__", name), at); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("old", 0, 10)
	write("new", 0, 5000)
	if err := s.append(labels.FromStrings("__name__", "third"), sample{}); err == nil {
		t.Error("a third series was taken, with room for two")
	}
	horizon := s.sweep(start.Add(5000 * time.Second))
	if s.bytes > s.maxBytes || s.bytes == 0 {
		t.Errorf("%d bytes after the sweep, want at most %d and more than none", s.bytes, s.maxBytes)
	}
	if kept := start.Add(5000 * time.Second).Sub(horizon); kept >= time.Hour {
		t.Errorf("the memory limit did not shorten the retention: %v", kept)
	}
	if len(s.byHash) != 1 || len(s.index["__name__"]) != 1 || s.count != 1 {
		t.Errorf("the old series is still there: %d series, %v", s.count, s.index["__name__"])
	}
	write("old", 6000, 6010) // a dropped series starts anew
	if s.count != 2 {
		t.Errorf("%d series, want 2", s.count)
	}
}
