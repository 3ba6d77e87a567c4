package cli

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// Calls go through the same door as requests, and what becomes of each stands
// in the row of the version whose answer it was.
func TestProbeGRPC(t *testing.T) {
	s := newStage(t, tenth)
	s.call = callsToV2(map[int]string{0: "0", 1: "13", 2: "broken off", 3: "given up", 4: "silent"})
	for _, flags := range [][]string{{"--grpc"}, {"--grpc-method", "/canaryctl.echo.v1.Echo/Echo"}} {
		s.asked.Store(0)
		code, out, narration := s.probe(append(flags, "--count", "50", "--timeout", "2s", "--connections", "2")...)
		if code != ExitDone {
			t.Fatalf("exit %d: %s", code, narration)
		}
		if got := s.host.Load(); got != "versioned-echo.default/canaryctl.echo.v1.Echo/Echo" {
			t.Errorf("called %s, want the route's host and the demo's method", got)
		}
		text := strings.Join(strings.Fields(out), " ")
		for _, want := range []string{"v1 90% 0.0%", "v2 10% 100.0%", " 40 INTERNAL:10, OK:10, broken off:10, given up:10 ", "50 requests sent", "; without an answer: given up (10)"} {
			if !strings.Contains(text, want) {
				t.Errorf("does not say %q:\n%s", want, out)
			}
		}
		if !strings.Contains(narration, " by gRPC over 2 connections, ") {
			t.Errorf("narration:\n%s", narration)
		}
	}
}

// callsToV2 answers as v2 does, each call with the fate of its number modulo
// their number: a status, or none.
func callsToV2(fates map[int]string) http.Handler {
	var asked atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fate := fates[int(asked.Add(1)-1)%len(fates)]
		if fate == "silent" {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		w.Header().Set("X-App-Version", "v2")
		_, _ = w.Write(make([]byte, 5)) // a message of no bytes
		_ = http.NewResponseController(w).Flush()
		switch fate {
		case "broken off":
			panic(http.ErrAbortHandler)
		case "given up":
			<-r.Context().Done()
		default:
			w.Header().Set("Grpc-Status", fate)
		}
	})
}

func TestProbeTellsBrokenAndGivenUp(t *testing.T) {
	s := newStage(t, tenth)
	s.router.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := s.asked.Add(1)
		w.Header().Set("X-App-Version", "v2")
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "half")
		_ = http.NewResponseController(w).Flush()
		if i%2 == 0 {
			panic(http.ErrAbortHandler)
		}
		<-r.Context().Done()
	})
	code, out, narration := s.probe("--count", "10", "--timeout", "2s")
	if text := strings.Join(strings.Fields(out), " "); code != ExitDone || !strings.Contains(text, " 10 200 broken off:5, 200 given up:5 - - - ") {
		t.Errorf("exit %d:\n%s\n%s", code, out, narration)
	}
}
