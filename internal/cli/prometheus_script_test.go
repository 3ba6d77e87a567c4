package cli_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// fakePrometheus holds counters and answers range selectors with them.
type fakePrometheus struct {
	mu     sync.Mutex
	series []fakeSeries
	header http.Header // of the last request
}

type fakeSeries struct {
	labels map[string]string
	values []string // scraped 5 s apart, the last just now
}

type prometheusKey struct{}

// startFakes starts the servers that a script may ask, each empty.
func startFakes(env *testscript.Env) {
	startFake(env, "PROMETHEUS", prometheusKey{}, new(fakePrometheus))
	startFake(env, "HISTORY", historyKey{}, new(fakeHistory))
}

// startFake serves until the script's end; the variable is the URL.
func startFake(env *testscript.Env, variable string, key any, f http.Handler) {
	s := httptest.NewServer(f)
	env.Defer(s.Close)
	env.Setenv(variable, s.URL)
	env.Values[key] = f
}

func prometheusCommand(ts *testscript.TestScript, _ bool, args []string) {
	f := ts.Value(prometheusKey{}).(*fakePrometheus)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch args[0] {
	case "load":
		f.series = nil
		for line := range strings.Lines(ts.ReadFile(args[1])) {
			f.series = append(f.series, parseSeries(line))
		}
	case "lab":
		ts.Check(ts.Value(clusterKey{}).(*cluster).server.Load(fmt.Sprintf(
			"{apiVersion: v1, kind: ConfigMap, metadata: {name: canary-lab, namespace: kube-public}, data: {prometheus: %q}}", ts.Getenv("PROMETHEUS"))))
	case "headers":
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(f.header)) {
			fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(f.header[name], ", "))
		}
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(b.String()), 0o600))
	default:
		ts.Fatalf("prometheus %s: unknown", args[0])
	}
}

func parseSeries(line string) fakeSeries {
	name, rest, _ := strings.Cut(strings.TrimSpace(line), "{")
	labels, values, _ := strings.Cut(rest, "} ")
	s := fakeSeries{labels: map[string]string{"__name__": name}, values: strings.Fields(values)}
	for _, m := range regexp.MustCompile(matching).FindAllStringSubmatch(labels, -1) {
		s.labels[m[1]] = m[3]
	}
	return s
}

func (f *fakePrometheus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.header = r.Header
	now := time.Now()
	if query := r.FormValue("query"); strings.HasPrefix(query, "{") && strings.HasSuffix(query, "}") {
		f.answerInstant(w, query, now)
		return
	}
	answerRange(w, r, func(selector string, _ time.Duration) (result []rangeOf) {
		for _, s := range f.series {
			if s.selected(selector) {
				result = append(result, rangeOf{s.labels, s.samples(now)})
			}
		}
		return result
	})
}

// answerInstant answers a selector with the last value of each series.
func (f *fakePrometheus) answerInstant(w http.ResponseWriter, selector string, now time.Time) {
	result := []any{}
	for _, s := range f.series {
		if samples := s.samples(now); s.selected(selector) && len(samples) > 0 {
			result = append(result, map[string]any{"metric": s.labels, "value": samples[len(samples)-1]})
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "vector", "result": result}})
}

// rangeOf is a series in an answer.
type rangeOf struct {
	Metric map[string]string `json:"metric"`
	Values [][2]any          `json:"values"`
}

// answerRange answers a range selector, and 422 to any other query.
func answerRange(w http.ResponseWriter, r *http.Request, find func(selector string, lookback time.Duration) []rangeOf) {
	spoken := regexp.MustCompile(`^(.*)\[(\d+ms)\]$`).FindStringSubmatch(r.FormValue("query"))
	if spoken == nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = w.Write([]byte(`{"status":"error","error":"this one knows range selectors only"}`))
		return
	}
	lookback, _ := time.ParseDuration(spoken[2])
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{
		"resultType": "matrix", "result": append([]rangeOf{}, find(spoken[1], lookback)...),
	}})
}

func (s fakeSeries) selected(selector string) bool {
	for _, m := range regexp.MustCompile(matching).FindAllStringSubmatch(selector, -1) {
		label, how, want := m[1], m[2], strings.ReplaceAll(m[3], `\\`, `\`)
		if how == "=" {
			want = regexp.QuoteMeta(want)
		}
		same, err := regexp.MatchString("^(?s:"+want+")$", s.labels[label])
		if err != nil || same == strings.HasPrefix(how, "!") {
			return false
		}
	}
	return true
}

func (s fakeSeries) samples(now time.Time) [][2]any {
	var samples [][2]any
	for i, v := range s.values {
		ago := time.Duration(len(s.values)-1-i) * 5 * time.Second
		if v != "stale" { // a Prometheus leaves those out
			samples = append(samples, [2]any{float64(now.Add(-ago).UnixMilli()) / 1000, v})
		}
	}
	return samples
}

// matching is how a selector says which value a label has.
const matching = `(\w+)(=~|!~|!=|=)"((?:[^"\\]|\\.)*)"`
