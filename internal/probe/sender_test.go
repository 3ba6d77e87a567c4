package probe

import (
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// once probes a real server with n requests.
func once(t *testing.T, url string, n int, change func(*Config)) Phase {
	t.Helper()
	c := Default()
	c.URL, c.Count, c.Rate = url, n, 1000
	if change != nil {
		change(&c)
	}
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r.Current()
}

func TestHostHeaderAndVersionHeader(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-App-Version", r.Host+r.URL.Path)
	}))
	defer server.Close()
	p := once(t, server.URL+"/version", 1, func(c *Config) {
		c.Host, c.Version = "versioned-echo", HeaderVersion("x-app-version")
	})
	if len(p.Versions) != 1 || p.Versions[0].Name != "versioned-echo/version" {
		t.Errorf("versions %+v, want the Host header and path that were sent", p.Versions)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	connections := make(map[string]bool)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		connections[r.RemoteAddr] = true
	}))
	defer server.Close()
	once(t, server.URL, 20, func(c *Config) { c.Rate, c.Concurrency = 200, 1 })
	if len(connections) != 1 {
		t.Errorf("%d connections for 20 requests in a row, want 1", len(connections))
	}
}

func TestAnswersWithoutVersion(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"router's own error": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no healthy upstream", http.StatusServiceUnavailable)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusSeeOther) },
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.Repeat(" ", 2*maxBody), `{"version":"v1"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(answer)
			defer server.Close()
			p := once(t, server.URL, 2, nil)
			if p.Unknown == nil || p.Unknown.Requests != 2 || p.Recognised() != 0 {
				t.Errorf("%+v: want two answers that name no version", p)
			}
		})
	}
}

// An answer that has no end is not a good one, and counts for the version that
// its header names.
func TestAnswersWithoutAnEnd(t *testing.T) {
	begin := func(sent int, then http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(2*sent))
			w.Header().Set(DefaultHeader, "v2")
			fmt.Fprint(w, strings.Repeat(" ", sent))
			_ = http.NewResponseController(w).Flush()
			then(w, r)
		}
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   Answers
	}{
		"broken off":      {begin(8, abort), Answers{Requests: 2, Errors: 2, Broken: 2, Codes: map[string]int{"200 broken off": 2}}},
		"broken off late": {begin(2*maxBody, abort), Answers{Requests: 2, Errors: 2, Broken: 2, Codes: map[string]int{"200 broken off": 2}}},
		"given up":        {begin(8, hang), Answers{Requests: 2, GivenUp: 2, Codes: map[string]int{"200 given up": 2}}},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(test.answer)
			defer server.Close()
			p := once(t, server.URL, 2, func(c *Config) {
				if test.want.GivenUp > 0 {
					c.Timeout = 2 * time.Second
				}
			})
			if len(p.Versions) != 1 || p.Versions[0].Name != "v2" {
				t.Fatalf("%+v: want v2 alone", p)
			}
			if diff := cmp.Diff(test.want, p.Versions[0].Answers); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A gateway that names the version in a header of the route's destination does
// so in its own answers, too.
func TestTimeOutOfTheRouteWithAVersion(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(DefaultHeader, "v2")
		http.Error(w, "upstream request timeout", http.StatusGatewayTimeout)
	}))
	defer server.Close()
	p := once(t, server.URL, 2, nil)
	if len(p.Versions) != 1 || p.Versions[0].Name != "v2" || p.Versions[0].Codes["504"] != 2 {
		t.Errorf("%+v: want two time-outs of v2", p)
	}
}

func TestFailuresAreSortedIntoKinds(t *testing.T) {
	closing := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer closing.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	for url, want := range map[string]string{
		closing.URL:                      "connection closed",
		"http://" + free.Addr().String(): "connection refused",
	} {
		if diff := cmp.Diff(map[string]int{want: 3}, once(t, url, 3, nil).Failures); diff != "" {
			t.Errorf("%s (-want +got):\n%s", url, diff)
		}
	}
}

func TestFirstVersion(t *testing.T) {
	header := http.Header{"X-App-Version": {"v2"}}
	version := FirstVersion(FieldVersion("version"), HeaderVersion("X-App-Version"))
	for body, want := range map[string]string{`{"version":"v1"}`: "v1", `{"versio`: "v2"} {
		if got := version(header, []byte(body)); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func TestFieldVersion(t *testing.T) {
	for body, want := range map[string]string{
		`{"version":"v1"}` + "\n":      "v1",
		`{"version":2}`:                "2",
		`{"version":1.5}`:              "1.5",
		`{"version":null}`:             "",
		`{"version":{"major":1}}`:      "",
		`{"other":"v1"}`:               "",
		`["v1"]`:                       "",
		`no healthy upstream`:          "",
		`{"error":"x","version":"v2"}`: "v2",
	} {
		if got := FieldVersion("version")(nil, []byte(body)); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func TestQuantilesAreWithinOnePercent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.SliceOfN(rapid.IntRange(1, 100_000_000), 1, 200).Draw(t, "µs")
		q := rapid.SampledFrom([]float64{.5, .95, .99, 1}).Draw(t, "q")
		var l latencies
		for _, v := range micros {
			l.add(time.Duration(v) * time.Microsecond)
		}
		slices.Sort(micros)
		want := float64(micros[int(math.Ceil(q*float64(len(micros))))-1])
		got := float64(l.quantile(q)) / float64(time.Microsecond)
		if math.Abs(got-want) > .0101*want {
			t.Errorf("quantile %v is %vµs, want %vµs", q, got, want)
		}
	})
}

func TestCheck(t *testing.T) {
	phase := func(w1, w2 float64, n1, n2 int) Phase {
		n := float64(max(1, n1+n2))
		return Phase{Versions: []Version{
			{Name: "v1", Weight: &w1, Share: float64(n1) / n, Answers: Answers{Requests: n1}},
			{Name: "v2", Weight: &w2, Share: float64(n2) / n, Answers: Answers{Requests: n2}},
		}}
	}
	stranger := phase(100, 0, 500, 0)
	stranger.Versions = append(stranger.Versions, Version{Name: "v3", Answers: Answers{Requests: 1}})
	for name, test := range map[string]struct {
		phase  Phase
		agrees bool
		says   string
	}{
		"as configured":             {phase(90, 10, 540, 60), true, "600 answers agree"},
		"chance":                    {phase(90, 10, 520, 80), true, "600 answers agree"},
		"far off":                   {phase(90, 10, 300, 300), false, "v2 has weight 10% and answered 300 of 600 (50.0%, p = "},
		"too few to tell":           {phase(90, 10, 3, 3), true, "6 answers agree"},
		"one request on weight 0":   {phase(100, 0, 9999, 1), false, "v2 has weight 0% and answered 1 of 10000"},
		"version that nobody named": {stranger, false, "v3 has weight 0% and answered 1 of 501"},
		"nothing":                   {phase(90, 10, 0, 0), true, "0 answers"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Check(test.phase)
			if got.Agrees != test.agrees || !strings.Contains(got.Detail, test.says) {
				t.Errorf("%+v, want agrees %v and %q", got, test.agrees, test.says)
			}
		})
	}
}
