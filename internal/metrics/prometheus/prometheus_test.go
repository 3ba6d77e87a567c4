package prometheus

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/rest"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const vector = `{"status":"success","data":{"resultType":"vector","result":[
	{"metric":{"destination_version":"v1"},"value":[1732312345.6,"90.5"]},
	{"metric":{"destination_version":"v2"},"value":[1732312345.6,"1e1"]}]}}`

func TestSum(t *testing.T) {
	for name, test := range map[string]struct {
		code    int
		body    string
		want    map[string]float64
		wantErr string
	}{
		"vector":      {200, vector, map[string]float64{"v1": 90.5, "v2": 10}, ""},
		"empty":       {200, `{"status":"success","data":{"resultType":"vector","result":[]}}`, map[string]float64{}, ""},
		"refused":     {422, `{"status":"error","errorType":"bad_data","error":"parse error"}`, nil, "query refused: parse error"},
		"scalar":      {200, `{"status":"success","data":{"resultType":"scalar","result":[]}}`, nil, "want a vector"},
		"NaN":         {200, strings.Replace(vector, "90.5", "NaN", 1), nil, `"NaN" is not a number`},
		"other thing": {404, "<html>\nnot here", nil, `answered 404 "<html>"`},
		"no Pod": {503, `{"kind":"Status","status":"Failure","message":"no endpoints available for service \"x\"","code":503}`,
			nil, "no endpoints available"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/prefix/api/v1/query" || r.URL.Query().Get("query") != `up{a="b"}` {
					t.Errorf("asked for %s", r.URL)
				}
				w.WriteHeader(test.code)
				_, _ = w.Write([]byte(test.body))
			})
			got, err := At(parse(t, s.URL+"/prefix"), s.Client()).Sum(t.Context(), `up{a="b"}`, "destination_version")
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Fatalf("error %v, want one that says %q", err, test.wantErr)
				}
				return
			}
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("error %v, sums (-want +got):\n%s", err, diff)
			}
		})
	}
}

// A Prometheus in the cluster is reached through the API server, and one that
// is not there is no failure.
func TestDiscoverFindsTheServiceThatExists(t *testing.T) {
	const proxied = "/api/v1/namespaces/monitoring/services/http:prometheus-operated:9090/proxy/api/v1/query"
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == proxied {
			_, _ = w.Write([]byte(vector))
			return
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"kind":"Status","message":"services \"x\" not found","code":404}`))
	})
	client := &kube.Client{
		Interface: fake.NewSimpleDynamicClient(runtime.NewScheme()),
		REST:      &rest.Config{Host: api.URL}, HTTP: api.Client(),
	}
	var sources []metrics.Source
	for _, s := range Find(client) {
		sources = append(sources, s)
	}
	got := metrics.Observed(t.Context(), metrics.Query{Namespace: "default", Service: "echo"}, sources...)
	if want := "Prometheus monitoring/prometheus-operated, istio_requests_total"; got.Source != want || got.Requests["v1"] != 90.5 {
		t.Errorf("got %+v, want the figures of %s", got, want)
	}
	for _, s := range sources {
		if s.Name() == "Prometheus monitoring/prometheus-operated" {
			continue
		}
		if _, err := s.Sum(t.Context(), "up", "version"); !errors.Is(err, metrics.ErrAbsent) {
			t.Errorf("%s: %v, want %v", s.Name(), err, metrics.ErrAbsent)
		}
	}
}

func TestNamed(t *testing.T) {
	server, err := Named("http://user:secret@127.0.0.1:9090/", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := server.Name(), "Prometheus at http://user:xxxxx@127.0.0.1:9090/"; got != want {
		t.Errorf("name %q, want %q", got, want)
	}
	for wrong, want := range map[string]string{
		"127.0.0.1:9090":                 `"127.0.0.1:9090" is not the URL`,
		"http://":                        `"http://" is not the URL`,
		"ftp://user:secret@host":         `"ftp://...@host" is not the URL`,
		"user:secret@host:9090":          `"...@host:9090" is not the URL`,
		"http://user:sec ret@host:%zz":   `"http://...@host:%zz" is not the URL`,
		"http://user:sec/ret@host:9090/": `"http://...@host:9090/" is not the URL`,
	} {
		if _, err := Named(wrong, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", wrong, err, want)
		}
	}
	if _, err := Named("http://host:9090", Options{InsecureSkipVerify: true}); err == nil || !strings.Contains(err.Error(), "certificates go with https://") {
		t.Errorf("certificates over http: %v", err)
	}
	if _, err := Named("http://u:p@host:9090", Options{Username: "v"}); err == nil || !strings.Contains(err.Error(), "name one") {
		t.Errorf("two users: %v", err)
	}
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
