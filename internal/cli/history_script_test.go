package cli_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// fakeHistory has stored counters since 2026-01-01, scraped every 15 s, that grow
// evenly: what they have at any time can be told without storing it.
type fakeHistory struct {
	mu     sync.Mutex
	series []growing
	asked  []string
}

type growing struct {
	fakeSeries
	perSecond float64
	from      time.Time
}

const storedEvery = 15 * time.Second

func storedSince() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

type historyKey struct{}

func startHistory(env *testscript.Env) {
	f := new(fakeHistory)
	s := httptest.NewServer(f)
	env.Defer(s.Close)
	env.Setenv("HISTORY", s.URL)
	env.Values[historyKey{}] = f
}

func historyCommand(ts *testscript.TestScript, _ bool, args []string) {
	f := ts.Value(historyKey{}).(*fakeHistory)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch args[0] {
	case "load":
		f.series = nil
		for line := range strings.Lines(ts.ReadFile(args[1])) {
			g := growing{fakeSeries: parseSeries(line), from: storedSince()}
			var err error
			g.perSecond, err = strconv.ParseFloat(g.values[0], 64)
			ts.Check(err)
			if len(g.values) > 1 {
				g.from, err = time.Parse(time.RFC3339, g.values[1])
				ts.Check(err)
			}
			f.series = append(f.series, g)
		}
	case "asked":
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Join(f.asked, "\n")+"\n"), 0o600))
		f.asked = nil
	default:
		ts.Fatalf("history %s: unknown", args[0])
	}
}

func (f *fakeHistory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	query := r.FormValue("query")
	f.asked = append(f.asked, query+" "+r.FormValue("time"))
	spoken := regexp.MustCompile(`^(.*)\[(\d+)ms\]$`).FindStringSubmatch(query)
	seconds, err := strconv.ParseFloat(r.FormValue("time"), 64)
	if spoken == nil || err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = w.Write([]byte(`{"status":"error","error":"this one knows range selectors with a time only"}`))
		return
	}
	span, _ := time.ParseDuration(spoken[2] + "ms")
	end := time.UnixMilli(int64(math.Round(seconds * 1000)))
	result := []map[string]any{}
	for _, g := range f.series {
		if !g.selected(spoken[1]) {
			continue
		}
		if samples := g.between(end.Add(-span), end); len(samples) > 0 {
			result = append(result, map[string]any{"metric": g.labels, "values": samples})
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": result}})
}

// between are the scrapes after one time and up to another.
func (g growing) between(after, end time.Time) [][2]any {
	var samples [][2]any
	for t := after.Truncate(storedEvery).Add(storedEvery); !t.After(end); t = t.Add(storedEvery) {
		if t.Before(g.from) {
			continue
		}
		value := math.Floor(g.perSecond*t.Sub(g.from).Seconds() + 1e-6)
		samples = append(samples, [2]any{float64(t.UnixMilli()) / 1000, fmt.Sprint(int64(value))})
	}
	return samples
}
