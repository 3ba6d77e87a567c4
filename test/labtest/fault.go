package labtest

import (
	"context"
	"net/http"
	"sync/atomic"
)

// Fault ends a client around one request.
type Fault struct {
	// At is the request it happens at, counted from 1.
	At int64
	// Delivered tells whether the API server gets to act on that request. Either
	// way the client never reads the answer.
	Delivered bool
	// Kill ends the client; it returns once the client is gone.
	Kill func()
}

// Meddler counts requests until it is time. After that nothing passes any more:
// what comes then is of a client that is as good as dead.
func (f Fault) Meddler() Meddler {
	var calls atomic.Int64
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		n := calls.Add(1)
		if n < f.At {
			next.ServeHTTP(w, r)
			return
		}
		if n == f.At {
			if f.Delivered {
				Deliver(r, next)
			}
			f.Kill()
		}
		panic(http.ErrAbortHandler)
	}
}

// Deliver lets the server act on a request, whose answer nobody will read. It acts
// on a watch by beginning to answer it, which may have no end. A server that is gone
// cannot act, and that is all there is to it.
func Deliver(r *http.Request, next http.Handler) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		}
	}()
	answer := &discard{header: http.Header{}, begun: func() {}}
	if Watches(r) {
		answer.begun = cancel
	}
	next.ServeHTTP(answer, r.WithContext(ctx))
}

// discard takes an answer that nobody will read.
type discard struct {
	header http.Header
	begun  func() // is called once the server answers
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             { d.begun() }
