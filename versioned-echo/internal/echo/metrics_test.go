package echo

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

func TestRequestsAreCountedWithBoundedLabels(t *testing.T) {
	s := newServer(nil)
	h := s.handler()
	call(h, http.MethodGet, "/version", "")
	call(h, http.MethodGet, "/version", "")
	call(h, http.MethodGet, "/", "")
	call(h, http.MethodGet, "/cart/1", "")
	call(h, http.MethodGet, "/cart/2", "")
	call(h, "BREW", "/pot", "")
	call(h, http.MethodDelete, "/version", "")
	call(h, http.MethodGet, "/health", "")
	call(h, http.MethodGet, "/metrics", "")
	s.faults.set(Faults{ErrorShare: 1, ErrorStatus: 503})
	call(h, http.MethodGet, "/version", "")

	const want = `
# HELP http_requests_total Requests answered, by route, method and status code.
# TYPE http_requests_total counter
http_requests_total{code="200",method="GET",route="/",version="v1"} 1
http_requests_total{code="200",method="GET",route="/version",version="v1"} 2
http_requests_total{code="200",method="GET",route="other",version="v1"} 2
http_requests_total{code="200",method="other",route="other",version="v1"} 1
http_requests_total{code="405",method="DELETE",route="/version",version="v1"} 1
http_requests_total{code="503",method="GET",route="/version",version="v1"} 1
`
	if err := testutil.GatherAndCompare(s.meter.registry, strings.NewReader(want), "http_requests_total"); err != nil {
		t.Error(err)
	}
}

func TestMetricNamesFollowTheConventions(t *testing.T) {
	s := newServer(nil)
	call(s.handler(), http.MethodGet, "/", "")
	problems, err := testutil.GatherAndLint(s.meter.registry, "http_requests_total", "http_request_duration_seconds")
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}

// Whatever becomes of a request, it is counted as by promhttp, which is what
// most services count with.
func TestRequestsAreCountedAsByPromhttp(t *testing.T) {
	for name, f := range map[string]Faults{
		"good":    NoFaults(),
		"refused": {ErrorShare: 1, ErrorStatus: 503},
		"hanging": {HangShare: 1},
		"broken":  {BreakShare: 1},
		"reset":   {ResetShare: 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(nil)
			s.faults.set(f)
			route := s.faults.wrap(http.HandlerFunc(s.version), http.ResponseWriter.WriteHeader)
			theirs := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "theirs"}, []string{"code"})
			ended := make(chan struct{}, 1)
			counted := promhttp.InstrumentHandlerCounter(theirs, s.meter.count("/version", route))
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() { ended <- struct{}{} }()
				if f.HangShare > 0 {
					gone, leave := context.WithCancel(r.Context())
					leave()
					r = r.WithContext(gone)
				}
				counted.ServeHTTP(w, r)
			}))
			defer server.Close()
			_ = get(newClient(t, 1), server.URL)
			<-ended

			ours := make(map[string]float64)
			for _, code := range []string{"200", "503"} {
				want := testutil.ToFloat64(theirs.WithLabelValues(code))
				ours[code] = testutil.ToFloat64(s.meter.requests.WithLabelValues("/version", "GET", code))
				if ours[code] != want {
					t.Errorf("%s: counted %v times, and by promhttp %v", code, ours[code], want)
				}
			}
			if broken := f.BreakShare > 0; (ours["200"]+ours["503"] == 0) != broken {
				t.Errorf("counted %v: want only a broken answer not to count", ours)
			}
		})
	}
}

// A scraper that speaks protobuf is given both forms of the histogram; one that
// asks for text gets the buckets.
func TestHistogramHasBothForms(t *testing.T) {
	h := newServer(nil).handler()
	call(h, http.MethodGet, "/version", "")

	native := scrape(t, h, string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
	histogram := native["http_request_duration_seconds"].GetMetric()[0].GetHistogram()
	if len(histogram.GetBucket()) != 13 {
		t.Errorf("classic form has %d buckets, want 13", len(histogram.GetBucket()))
	}
	if histogram.GetSchema() != 3 || len(histogram.GetPositiveSpan()) == 0 {
		t.Errorf("native form: schema %d, %d spans; want schema 3 (factor 1.1) and spans", histogram.GetSchema(), len(histogram.GetPositiveSpan()))
	}

	text := scrape(t, h, "text/plain;version=0.0.4")
	if got := text["http_request_duration_seconds"].GetMetric()[0].GetHistogram().GetBucket(); len(got) != 14 {
		t.Errorf("text form has %d buckets, want 13 and +Inf", len(got))
	}
	for _, name := range []string{"go_build_info", "go_goroutines", "process_cpu_seconds_total"} {
		if text[name] == nil {
			t.Errorf("no %s", name)
		}
	}
}

func scrape(t *testing.T, h http.Handler, accept string) map[string]*dto.MetricFamily {
	t.Helper()
	w := call(h, http.MethodGet, "/metrics", "", "Accept", accept)
	decoder := expfmt.NewDecoder(w.Body, expfmt.ResponseFormat(w.Header()))
	families := make(map[string]*dto.MetricFamily)
	for {
		family := new(dto.MetricFamily)
		if err := decoder.Decode(family); err != nil {
			if len(families) == 0 {
				t.Fatalf("scrape with Accept %s: %v", accept, err)
			}
			return families
		}
		families[family.GetName()] = family
	}
}
