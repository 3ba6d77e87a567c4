package cli_test

import (
	"fmt"
	"math"
	"net/http"
	"os"
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
	seconds, err := strconv.ParseFloat(r.FormValue("time"), 64)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"status":"error","error":"this one wants to be told a time"}`))
		return
	}
	end := time.UnixMilli(int64(math.Round(seconds * 1000)))
	answerRange(w, r, func(selector string, lookback time.Duration) (result []rangeOf) {
		for _, g := range f.series {
			if samples := g.between(end.Add(-lookback), end); g.selected(selector) && len(samples) > 0 {
				result = append(result, rangeOf{g.labels, samples})
			}
		}
		return result
	})
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
