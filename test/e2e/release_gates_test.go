package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
)

// TestReleaseWaitsForItsGates holds a release at a command, then at a webhook, and
// has another webhook told what came of it.
func TestReleaseWaitsForItsGates(t *testing.T) {
	t.Parallel()
	s := perform(t, pods)
	var open atomic.Bool
	gate := serve(t, func(w http.ResponseWriter, _ []byte) {
		if !open.Load() {
			w.WriteHeader(http.StatusLocked)
			_, _ = io.WriteString(w, `{"gate": "closed", "why": "the owners sleep"}`)
		}
	})
	var mu sync.Mutex
	var heard []event.Kind
	ear := serve(t, func(_ http.ResponseWriter, body []byte) {
		var cloud struct{ Data event.Event }
		if err := json.Unmarshal(body, &cloud); err != nil {
			t.Errorf("decode %q: %v", body, err)
		}
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, cloud.Data.Kind)
	})
	script := "#!/bin/sh\n[ -e may-begin ] || { echo not on a Friday; exit 75; }\n"
	if err := os.WriteFile(filepath.Join(s.dir, "calendar"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}

	e := s.release("v2", quick+`
  confirm: {start: calendar, promotion: owners}
  gates:
    calendar: {command: {args: [./calendar], timeout: 10s}, every: 1s}
    owners: {webhook: {url: "`+gate+`"}, every: 1s}
  notify:
    - webhook: {url: "`+ear+`"}
      on: [started, promoted]
`, "")
	closed := s.untilKind(event.Gate, 1)
	if closed.At.Step != -1 || !strings.Contains(closed.Message, "calendar") || !strings.Contains(closed.Message, "not on a Friday") {
		t.Errorf("the gate at the start: %+v", closed)
	}
	s.wantRoute("v2", 0, canary.Preparing)
	if err := os.WriteFile(filepath.Join(s.dir, "may-begin"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.until("the owners' gate", func(r written) bool {
		gates := ofKind(r, event.Gate)
		last := gates[len(gates)-1]
		return strings.Contains(last.Message, "the owners sleep") && last.At.Step == 1
	})
	s.wantRoute("v2", 50, canary.Progressing)
	open.Store(true)
	e.wants(0)
	s.wantPath([]canary.Percent{0, 20, 50, 100})
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff([]event.Kind{event.Started, event.Promoted}, heard); diff != "" {
		t.Errorf("what was heard (-want +got):\n%s", diff)
	}
}

// serve answers on loopback until the test ends, and returns its URL.
func serve(t *testing.T, answer func(w http.ResponseWriter, body []byte)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read a request: %v", err)
		}
		answer(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestReleaseKeepsStable has the old version stay for a while after a promotion,
// and go then.
func TestReleaseKeepsStable(t *testing.T) {
	t.Parallel()
	s := perform(t, pods)
	e := s.release("v2", quick+"  keepStable: 4s\n", "")
	s.untilKind(event.Promoted, 1)
	if out := sh(t, "kubectl get deploy -o name -n "+s.ns).Stdout; !strings.Contains(out, "versioned-echo-v1") {
		t.Errorf("the old version is gone at once: %s", out)
	}
	e.wants(0)
	e.says("v1 is removed")
	wantGone(t, s.ns, "deploy/versioned-echo-v1")
	r := s.record()
	if retired := ofKind(r, event.Retired); len(retired) != 1 || r.Outcome != canary.Promoted {
		t.Errorf("on record: %s; %s", r.Outcome, tail(r.Events))
	} else if kept := retired[0].Time.Sub(ofKind(r, event.Promoted)[0].Time).Seconds(); kept < 4 {
		t.Errorf("it was kept for %gs, want 4s at least", kept)
	}
	wantShare(t, s.host(), "v2", 1, 100)
	if got := weights(t, s.ns); got["v2"] != 100 {
		t.Errorf("the route has %v", got)
	}
}
