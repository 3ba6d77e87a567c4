package main

import (
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/test/labtest"
)

// asked is a request to the API server, other than a watch.
type asked struct {
	at           time.Time
	method, path string
	aLease       bool
}

// TestCost counts the API requests of a release of five steps: few in all, one
// write for each step, and between two steps nothing beside the lease.
func TestCost(t *testing.T) {
	needLab(t)
	t.Parallel()
	const steady = 6 * time.Second
	sc := script{label: "cost", source: fromPrometheus, foreign: "pause"}
	s, err := set(t.Context(), lab, sc, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.clear(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	plan := strings.Replace(sc.plan(), "    - {weight: 30, min: 1s, exposure: 20}\n    - {weight: 60, min: 1s, exposure: 40}\n",
		"    - {weight: 20, min: 6s}\n    - {weight: 40, min: 1s}\n    - {weight: 60, min: 1s}\n    - {weight: 80, min: 1s, exposure: 20}\n", 1)
	if err := os.WriteFile(s.plan(), []byte(plan), 0o644); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all []asked
	s.api.put(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !labtest.Watches(r) {
			mu.Lock()
			all = append(all, asked{time.Now(), r.Method, r.URL.Path, strings.Contains(r.URL.Path, "/leases")})
			mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
	p, err := s.release()
	if err != nil {
		t.Fatal(err)
	}
	if !p.wait(t.Context()) || p.code != 0 {
		t.Fatalf("the release ended with %d:\n%s", p.code, p.said())
	}
	for begun := time.Now(); !s.over() && time.Since(begun) < 5*time.Second; {
		rest(t.Context(), 20*time.Millisecond) // the watch tells of the last write
	}
	routes, _, _ := s.witness.seen()

	beside := 0
	for _, a := range all {
		t.Logf("%6.2fs %s %s", a.at.Sub(p.started).Seconds(), a.method, a.path)
		if !a.aLease {
			beside++
		}
	}
	t.Logf("%d requests, and %d for the lease", beside, len(all)-beside)
	if beside > 14 {
		t.Errorf("%d API requests beside watches and the lease, want at most 14", beside)
	}
	var taken []labtest.Sight // versions of the route from the first step on
	for _, r := range routes {
		if r.Release().ID != "" && r.Release().Step >= 0 {
			taken = append(taken, r)
		}
	}
	if len(taken) != 6 {
		t.Errorf("the route was written %d times from the first step on, want once for each of five steps and once to promote", len(taken))
	}
	for i, r := range taken {
		if want := min(i, 4); r.Release().Step != want {
			t.Errorf("write %d is of step %d, want %d", i, r.Release().Step, want)
		}
		if r.Release().Step != 1 || r.Release().Phase != canary.Progressing {
			continue
		}
		// The plan's own times are of the engine's clock, and so are these.
		for _, a := range all {
			if into := a.at.Sub(r.At); into > 500*time.Millisecond && into < steady-500*time.Millisecond && !a.aLease {
				t.Errorf("%s into a steady step: %s %s", into, a.method, a.path)
			}
		}
	}
}
