package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/probe"
)

const splitRoute = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo-routes, namespace: default}
spec:
  hosts: [versioned-echo]
  http:
  - route:
    - {destination: {host: versioned-echo, subset: v1}, weight: 90}
    - {destination: {host: versioned-echo, subset: v2}, weight: 10}
`

// stage is a cluster that says it is the lab, and a router whose i-th answer
// the test decides.
type stage struct {
	t      *testing.T
	api    *kubetest.Server
	router *httptest.Server
	config string       // path of the kubeconfig
	call   http.Handler // answers gRPC, if set
	asked  atomic.Int64 // requests that met the router
	host   atomic.Value // Host header of the last one
}

func newStage(t *testing.T, answer func(i int) (code int, body string)) *stage {
	t.Helper()
	s := &stage{t: t}
	s.router = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.host.Store(r.Host + r.URL.Path)
		if r.ProtoMajor == 2 && s.call != nil {
			s.call.ServeHTTP(w, r)
			return
		}
		code, body := answer(int(s.asked.Add(1)) - 1)
		w.WriteHeader(code)
		fmt.Fprintln(w, body)
	}))
	s.router.Config.Protocols = new(http.Protocols)
	s.router.Config.Protocols.SetHTTP1(true)
	s.router.Config.Protocols.SetUnencryptedHTTP2(true)
	s.router.Start()
	t.Cleanup(s.router.Close)
	s.api = kubetest.New(t, splitRoute, fmt.Sprintf(
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"canary-lab","namespace":"kube-public"},"data":{"router":%q}}`, s.router.URL))
	text, err := s.api.Kubeconfig()
	if err != nil {
		t.Fatal(err)
	}
	s.config = filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(s.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// probe runs the command, fast unless told otherwise.
func (s *stage) probe(args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	var out, narration bytes.Buffer
	line := append([]string{"canaryctl", "probe", "--kubeconfig", s.config, "--rate", "2000"}, args...)
	code = Run(s.t.Context(), line, Streams{In: strings.NewReader(""), Out: &out, Err: &narration})
	return code, out.String(), narration.String()
}

// tenth sends every tenth request to v2.
func tenth(i int) (int, string) {
	if i%10 == 0 {
		return 200, `{"version":"v2"}`
	}
	return 200, `{"version":"v1"}`
}

func TestProbeFindsTheLabByItself(t *testing.T) {
	s := newStage(t, tenth)
	code, out, narration := s.probe("--count", "200")
	if code != ExitDone {
		t.Fatalf("exit %d: %s", code, narration)
	}
	if got := s.host.Load(); got != "versioned-echo.default/version" {
		t.Errorf("asked %s, want the route's host", got)
	}
	lines := strings.Split(out, "\n")
	for i, want := range []string{"VERSION WEIGHT SHARE", "v1 90% 90.0% 85.0% to 93.8% 180 200:180", "v2 10% 10.0% 6.2% to 15.0% 20 200:20", "200 requests sent in"} {
		if got := strings.Join(strings.Fields(lines[i]), " "); !strings.HasPrefix(got, want) {
			t.Errorf("line %d is %q, want %q...", i+1, got, want)
		}
	}
	if !strings.Contains(narration, "weights of VirtualService default/echo-routes") {
		t.Errorf("narration does not name the route:\n%s", narration)
	}
}

func TestProbeAsJSON(t *testing.T) {
	s := newStage(t, tenth)
	code, out, narration := s.probe("--count", "100", "-o", "json", "--check")
	var got struct {
		Sent   int
		Phases []struct {
			Weights  map[string]int
			Versions []struct {
				Version          string
				Weight, Requests int
			}
		}
		Check probe.Agreement
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != ExitDone {
		t.Fatalf("exit %d, %v in %s\n%s", code, err, out, narration)
	}
	v2 := got.Phases[0].Versions[1]
	if got.Sent != 100 || v2.Version != "v2" || v2.Weight != 10 || v2.Requests != 10 || !got.Check.Agrees {
		t.Errorf("got %+v", got)
	}
}

func TestProbeCheck(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(int) (int, string)
		code   int
		says   string
	}{
		"as configured":    {tenth, ExitDone, "300 answers agree with the configured weights"},
		"all to v1":        {func(int) (int, string) { return 200, `{"version":"v1"}` }, ExitFailed, "v2 has weight 10% and answered 0 of 300"},
		"errors count too": {func(int) (int, string) { return 500, `{"error":"x","version":"v2"}` }, ExitFailed, "v2 has weight 10% and answered 300 of 300"},
		"nobody answers":   {func(int) (int, string) { return 503, "no healthy upstream" }, ExitFailed, "no version answered: 503:300"},
		"no version named": {func(int) (int, string) { return 200, "hello" }, ExitFailed, "--version-field"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, narration := newStage(t, test.answer).probe("--count", "300", "--check")
			if code != test.code || !strings.Contains(narration, test.says) {
				t.Errorf("exit %d, want %d and %q:\n%s", code, test.code, test.says, narration)
			}
			if !strings.Contains(out, "300 requests sent") {
				t.Errorf("the table is missing:\n%s", out)
			}
		})
	}
}

// Somebody moves the weights in the middle: what was counted before must not
// water down what is counted after.
func TestProbeNoticesNewWeights(t *testing.T) {
	var s *stage
	s = newStage(t, func(i int) (int, string) {
		if i == 20 {
			vs := s.api.Get(kube.VirtualServices(), "default", "echo-routes")
			rules, _, _ := unstructured.NestedSlice(vs.Object, "spec", "http")
			split := rules[0].(map[string]any)["route"].([]any)
			split[0].(map[string]any)["weight"], split[1].(map[string]any)["weight"] = int64(0), int64(100)
			if err := unstructured.SetNestedSlice(vs.Object, rules, "spec", "http"); err != nil {
				t.Error(err)
			}
			s.api.Put(vs)
		}
		if i < 20 {
			return tenth(i)
		}
		return 200, `{"version":"v2"}`
	})
	code, out, narration := s.probe("--rate", "100", "--count", "150", "--check")
	if code != ExitDone || !strings.Contains(narration, "weights are now v1 0%, v2 100%; counting starts anew") {
		t.Errorf("exit %d:\n%s", code, narration)
	}
	if !strings.Contains(out, "from the last change of weights") {
		t.Errorf("the table does not say since when it counts:\n%s", out)
	}
}

func TestProbeWithoutACluster(t *testing.T) {
	s := newStage(t, tenth)
	s.api.Close()
	code, out, narration := s.probe("--url", s.router.URL+"/version", "--host", "shop.example", "--count", "50", "--timeout", "5s")
	if code != ExitDone || !strings.Contains(narration, "the configured weights are not known") {
		t.Errorf("exit %d:\n%s", code, narration)
	}
	if got := s.host.Load(); got != "shop.example/version" {
		t.Errorf("asked %s, want the host as given", got)
	}
	if !strings.Contains(strings.Join(strings.Fields(out), " "), "v2 - 10.0%") {
		t.Errorf("no share without a weight:\n%s", out)
	}
}

func TestProbeSaysWhatIsMissing(t *testing.T) {
	for name, test := range map[string]struct {
		args    []string
		prepare func(*stage)
		code    int
		says    []string
	}{
		"not the lab": {nil, func(s *stage) { s.api.Delete(kube.ConfigMaps(), "kube-public", "canary-lab") }, ExitFailed,
			[]string{"not the lab", "hint: start the lab (canary-lab up)", "--url"}},
		"no such route":    {[]string{"--vs", "other"}, nil, ExitFailed, []string{`VirtualService default/other`, "echo-routes"}},
		"nothing listens":  {nil, func(s *stage) { s.router.Close() }, ExitFailed, []string{"connection refused (10)", "hint: is anything listening there?"}},
		"wrong rate":       {[]string{"--rate", "0"}, nil, ExitUsage, []string{"rate 0", "5000"}},
		"wrong format":     {[]string{"-o", "xml"}, nil, ExitUsage, []string{"-o xml"}},
		"not a URL":        {[]string{"--url", "localhost:80"}, nil, ExitUsage, []string{`"localhost:80"`, "http://host:port/path"}},
		"no method":        {[]string{"--grpc-method", "Echo"}, nil, ExitUsage, []string{"--grpc-method Echo: want SERVICE/METHOD"}},
		"field of a call":  {[]string{"--grpc", "--version-field", "a"}, nil, ExitUsage, []string{"in its metadata (--version-header)"}},
		"connections":      {[]string{"--connections", "2"}, nil, ExitUsage, []string{"--connections is for gRPC calls"}},
		"no connection":    {[]string{"--grpc", "--connections", "0"}, nil, ExitUsage, []string{"connections 0: want 1 to 100"}},
		"method not there": {[]string{"--grpc"}, nil, ExitFailed, []string{"no answer of", "canaryctl.echo.v1.Echo/Echo names its version", "--grpc-method"}},
		"argument":         {[]string{"90"}, nil, ExitUsage, []string{"takes no arguments"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, tenth)
			if test.prepare != nil {
				test.prepare(s)
			}
			code, _, narration := s.probe(append([]string{"--count", "10"}, test.args...)...)
			if code != test.code {
				t.Errorf("exit %d, want %d", code, test.code)
			}
			for _, want := range test.says {
				if !strings.Contains(narration, want) {
					t.Errorf("does not say %q:\n%s", want, narration)
				}
			}
		})
	}
}

// Ctrl-C is how a probe without limits ends, and cuts one with limits short.
// Either way what was counted is shown.
func TestProbeInterrupted(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		code int
	}{
		"without limits": {[]string{"--duration", "0"}, ExitDone},
		"cut short":      {[]string{"--duration", "1h"}, ExitInterrupted},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			s := newStage(t, func(i int) (int, string) {
				if i == 50 {
					interrupt()
				}
				return tenth(i)
			})
			var out, narration bytes.Buffer
			line := append([]string{"canaryctl", "probe", "--kubeconfig", s.config, "--rate", "100"}, test.args...)
			code := Run(ctx, line, Streams{In: strings.NewReader(""), Out: &out, Err: &narration})
			if code != test.code || !strings.Contains(out.String(), "requests sent in") {
				t.Errorf("exit %d, want %d and a table:\n%s%s", code, test.code, &out, &narration)
			}
		})
	}
}

func TestProbeViewRedrawsInPlace(t *testing.T) {
	var picture bytes.Buffer
	v := newProbeView(&picture)
	v.live = true
	ninety, ten := 90.0, 10.0
	result := probe.Result{Sent: 100, Elapsed: probe.Seconds(5 * time.Second), Phases: []probe.Phase{{Versions: []probe.Version{
		{Name: "v1", Weight: &ninety, Share: .88, Answers: probe.Answers{Requests: 88, Codes: map[string]int{"200": 88}}},
		{Name: "v2", Weight: &ten, Share: .12, Answers: probe.Answers{Requests: 12, Codes: map[string]int{"200": 9, "503": 3}, Errors: 3}},
	}}}}
	v.progress(result)
	first := picture.String()
	if strings.Contains(first, "\x1b[J") || strings.Count(first, "\n") != 4 {
		t.Errorf("first picture has to be four lines, and erase nothing:\n%q", first)
	}
	for line := range strings.Lines(strings.ReplaceAll(first, "\x1b[0m", "")) {
		if n := len([]rune(strings.TrimSpace(line))); n > 80 {
			t.Errorf("a line of %d characters wraps:\n%s", n, line)
		}
	}
	picture.Reset()
	result.Phases[0].Versions[0].Codes["200"]--
	v.progress(result)
	first = strings.Replace(first, "200:88", "200:87", 1)
	if got := picture.String(); got != "\x1b[4A\x1b[J"+first {
		t.Errorf("second picture %q does not replace the first", got)
	}
	picture.Reset()
	v.end(result)
	if got := picture.String(); got != "\x1b[4A\x1b[J" {
		t.Errorf("end leaves %q", got)
	}
}

func TestBarMarksTheWeight(t *testing.T) {
	weight := 10.0
	if got, want := bar(probe.Version{Share: .2, Weight: &weight}), "██┃█················"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
