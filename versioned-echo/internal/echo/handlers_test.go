package echo

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// newServer returns a quiet instance of version v1.
func newServer(change func(*Config)) *Server {
	cfg := Default()
	cfg.Pod = "echo-abc"
	if change != nil {
		change(&cfg)
	}
	return New(cfg, slog.New(slog.DiscardHandler))
}

func call(s http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://versioned-echo"+path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestVersionIsExact(t *testing.T) {
	w := call(newServer(nil).handler(), http.MethodGet, "/version", "")
	if got, want := w.Body.String(), `{"version":"v1"}`+"\n"; got != want {
		t.Errorf("body %q, want %q", got, want)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
}

func TestEchoTellsTheRequest(t *testing.T) {
	for _, path := range []string{"/", "/cart/42"} {
		w := call(newServer(nil).handler(), http.MethodPost, path, "",
			"X-Canary", "v2", "Authorization", "Bearer secret", "Cookie", "session=secret")
		var got report
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		want := report{Version: "v1", Pod: "echo-abc", Request: request{
			Method: "POST", Host: "versioned-echo", Path: path,
			Headers: map[string]string{"X-Canary": "v2"}, // and nothing that is secret
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestEchoShowsBrowsersAPage(t *testing.T) {
	w := call(newServer(nil).handler(), http.MethodGet, "/<script>alert(1)</script>", "",
		"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	if got := w.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	body := w.Body.String()
	if !strings.Contains(body, "<h1>v1</h1>") || !strings.Contains(body, "echo-abc") {
		t.Errorf("page names neither version nor Pod:\n%s", body)
	}
	if strings.Contains(body, "<script>") {
		t.Errorf("page repeats a script from the path:\n%s", body)
	}
}

func TestPrefersHTML(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                 false,
		"*/*":              false, // curl
		"application/json": false,
		"text/html":        true,
		"text/html;q=0.4, application/json;q=0.5": false,
		"text/html;q=0":             false,
		"nonsense;;;, text/html":    true,
		"application/json;q=broken": false,
	} {
		if got := prefersHTML(accept); got != want {
			t.Errorf("Accept: %s: %v, want %v", accept, got, want)
		}
	}
}

func TestHealth(t *testing.T) {
	type outcome struct {
		code   int
		status string
	}
	for name, test := range map[string]struct {
		prepare func(*Server)
		want    outcome
	}{
		"healthy":   {func(*Server) {}, outcome{200, "ok"}},
		"unhealthy": {func(s *Server) { s.faults.set(Faults{Unhealthy: true}) }, outcome{503, "unhealthy"}},
		"draining":  {func(s *Server) { s.draining.Store(true) }, outcome{503, "draining"}},
		"errors are for users": {func(s *Server) { s.faults.set(Faults{ErrorShare: 1, ErrorStatus: 500}) },
			outcome{200, "ok"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(nil)
			test.prepare(s)
			w := call(s.handler(), http.MethodGet, "/health", "")
			var body struct{ Status string }
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
			if got := (outcome{w.Code, body.Status}); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestMethods(t *testing.T) {
	h := newServer(nil).handler()
	for _, path := range []string{"/version", "/health"} {
		w := call(h, http.MethodPost, path, "")
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %d, Allow %q", path, w.Code, w.Header().Get("Allow"))
		}
	}
}

func TestFaultsEndpointIsOffUnlessEnabled(t *testing.T) {
	s := newServer(nil)
	w := call(s.handler(), http.MethodPut, "/faults", `{"errorShare":1}`)
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "FAULTS_ENDPOINT=enabled") {
		t.Errorf("%d %s: want 403 that says how to enable it", w.Code, w.Body)
	}
	if diff := cmp.Diff(NoFaults(), s.faults.get()); diff != "" {
		t.Errorf("faults changed all the same (-want +got):\n%s", diff)
	}
}

func TestFaultsAtRunTime(t *testing.T) {
	h := newServer(func(c *Config) { c.FaultsEndpoint = true }).handler()
	if w := call(h, http.MethodPut, "/faults", `{"errorShare":1,"errorStatus":502}`); w.Code != 200 {
		t.Fatalf("PUT: %d %s", w.Code, w.Body)
	}
	w := call(h, http.MethodGet, "/version", "")
	if got, want := w.Body.String(), `{"error":"injected fault","version":"v1"}`+"\n"; w.Code != 502 || got != want {
		t.Errorf("with all requests failing: %d %s, want 502 %s", w.Code, got, want)
	}
	if w := call(h, http.MethodGet, "/metrics", ""); w.Code != 200 {
		t.Errorf("metrics: %d, want 200: faults are for users", w.Code)
	}
	if w := call(h, http.MethodPut, "/faults", `{"errorShare":2}`); w.Code != 400 || !strings.Contains(w.Body.String(), "errorShare is 2") {
		t.Errorf("invalid PUT: %d %s, want 400 that names the field", w.Code, w.Body)
	}
	var got Faults
	if err := json.NewDecoder(call(h, http.MethodGet, "/faults", "").Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := NoFaults()
	want.ErrorShare, want.ErrorStatus = 1, 502
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("an invalid PUT changed the faults (-want +got):\n%s", diff)
	}
	call(h, http.MethodDelete, "/faults", "")
	if w := call(h, http.MethodGet, "/version", ""); w.Code != 200 {
		t.Errorf("after DELETE: %d, want 200", w.Code)
	}
}

func TestFaultsBodyIsBounded(t *testing.T) {
	h := newServer(func(c *Config) { c.FaultsEndpoint = true }).handler()
	body := "{" + strings.Repeat(" ", maxFaultsBody) + "}"
	if w := call(h, http.MethodPut, "/faults", body); w.Code != 400 || !strings.Contains(w.Body.String(), "too large") {
		t.Errorf("%d %s: want 400, too large", w.Code, w.Body)
	}
}
