package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/test/labtest"
)

// onTheWire are the faults between canaryctl and the API server.
func onTheWire() []kind {
	return []kind{
		{name: "kill -9 at an API call", draw: func(r *rand.Rand) fault { return killAt{1 + r.Int64N(12), r.IntN(2) == 0} }},
		{name: "409 storm", draw: func(r *rand.Rand) fault {
			return storm{"writes", []int{http.StatusConflict}, 0.7, between(r, 2*time.Second, 6*time.Second)}
		}},
		{name: "429 storm", draw: func(r *rand.Rand) fault {
			return storm{"all", []int{http.StatusTooManyRequests}, 0.5, between(r, 2*time.Second, 6*time.Second)}
		}},
		{name: "5xx storm", draw: func(r *rand.Rand) fault {
			return storm{"all", []int{500, 502, 503, 504}, 0.5, between(r, 2*time.Second, 6*time.Second)}
		}},
		{name: "API server gone", draw: func(r *rand.Rand) fault { return gone{between(r, 3*time.Second, 10*time.Second)} }},
		{name: "API server hangs", draw: func(r *rand.Rand) fault { return hangs{between(r, 3*time.Second, 8*time.Second)} }},
		{name: "answers lost", draw: func(r *rand.Rand) fault { return answersLost{0.5, between(r, 2*time.Second, 6*time.Second)} }},
		{name: "watches cut", draw: func(r *rand.Rand) fault {
			return watchesCut{between(r, 200*time.Millisecond, time.Second), between(r, 2*time.Second, 6*time.Second)}
		}},
	}
}

// killAt ends an engine with SIGKILL at one of its next API calls, before the API
// server acts on it or after.
type killAt struct {
	Call      int64
	Delivered bool
}

func (k killAt) strike(ctx context.Context, s *scene) error {
	engines := s.engines()
	if len(engines) == 0 {
		return nil
	}
	p := engines[0]
	defer k.arm(s, p)()
	p.wait(ctx)
	return nil
}

// arm puts the fault on a process' own wire until off.
func (k killAt) arm(s *scene, p *process) (off func()) {
	return p.own.put(labtest.Fault{At: k.Call, Delivered: k.Delivered, Kill: func() {
		s.diary.notef("SIGKILL for %s at its call %d, delivered: %t", p, k.Call, k.Delivered)
		_ = p.cmd.Process.Kill()
		<-p.done
	}}.Meddler())
}

// storm answers a share of the requests with errors.
type storm struct {
	Of    string // all, or writes
	Codes []int
	Share float64
	Long  time.Duration
}

func (f storm) strike(ctx context.Context, s *scene) error {
	s.api.during(ctx, f.Long, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if f.Of == "writes" && !writes(r) || !s.dice.chance(f.Share) {
			next.ServeHTTP(w, r)
			return
		}
		refuse(w, f.Codes[s.dice.intN(len(f.Codes))])
	})
	return nil
}

// refuse answers as the API server does.
func refuse(w http.ResponseWriter, code int) {
	w.Header().Set("Content-Type", "application/json")
	if code == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(code)
	reasons := map[int]string{409: "Conflict", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}
	fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d,"message":"a fault that was put in"}`, reasons[code], code)
}

// gone closes every connection, and every new one.
type gone struct{ Long time.Duration }

func (f gone) strike(ctx context.Context, s *scene) error {
	defer s.api.put(func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) })()
	s.cutWatches()
	rest(ctx, f.Long)
	return nil
}

// hangs lets no request end before its time, and then none succeed.
type hangs struct{ Long time.Duration }

func (f hangs) strike(ctx context.Context, s *scene) error {
	over, cancel := context.WithTimeout(ctx, f.Long)
	defer cancel()
	defer s.api.put(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		select {
		case <-over.Done():
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	})()
	<-over.Done()
	return nil
}

// answersLost has the API server act on writes whose answers never arrive.
type answersLost struct {
	Share float64
	Long  time.Duration
}

func (f answersLost) strike(ctx context.Context, s *scene) error {
	s.api.during(ctx, f.Long, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !writes(r) || !s.dice.chance(f.Share) {
			next.ServeHTTP(w, r)
			return
		}
		labtest.Deliver(r, next)
		panic(http.ErrAbortHandler)
	})
	return nil
}

// watchesCut breaks all watches, again and again.
type watchesCut struct{ Every, Long time.Duration }

func (f watchesCut) strike(ctx context.Context, s *scene) error {
	ctx, cancel := context.WithTimeout(ctx, f.Long)
	defer cancel()
	for ctx.Err() == nil {
		s.cutWatches()
		rest(ctx, f.Every)
	}
	return nil
}

func (s *scene) cutWatches() {
	for _, p := range slices.Backward(s.all()) {
		p.proxy.Cut()
	}
}
