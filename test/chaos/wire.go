package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/canaryctl/canaryctl/test/labtest"
)

// wire is what lies between canaryctl and a server: the faults that are on it.
type wire struct {
	mu     sync.Mutex
	faults []*labtest.Meddler
}

// meddle hands a request through all faults, the latest first.
func (l *wire) meddle(w http.ResponseWriter, r *http.Request, next http.Handler) {
	l.mu.Lock()
	faults := slices.Clone(l.faults)
	l.mu.Unlock()
	for _, f := range faults {
		behind := next
		next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*f)(w, r, behind) })
	}
	next.ServeHTTP(w, r)
}

// put puts a fault on the wire until off is called.
func (l *wire) put(m labtest.Meddler) (off func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, &m)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.faults = slices.DeleteFunc(l.faults, func(f *labtest.Meddler) bool { return f == &m })
	}
}

// during has a fault on the wire for a time.
func (l *wire) during(ctx context.Context, long time.Duration, m labtest.Meddler) {
	defer l.put(m)()
	rest(ctx, long)
}

// rest waits, unless ctx ends first.
func rest(ctx context.Context, long time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(long):
	}
}

// ledger keeps which process wrote which version of the route: the answer to a
// write names the version, whether or not it reaches the process.
type ledger struct {
	mu     sync.Mutex
	writes []write
}

type write struct {
	by      int // the number of the process
	version string
}

// of is a Meddler that keeps the writes of one process.
func (l *ledger) of(process int) labtest.Meddler {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !writes(r) || !strings.Contains(r.URL.Path, "/virtualservices/") {
			next.ServeHTTP(w, r)
			return
		}
		c := &copier{ResponseWriter: w, code: http.StatusOK}
		defer func() { // also where the client is gone, which ends in a panic
			var answer struct {
				Metadata struct{ ResourceVersion string }
			}
			if c.code == http.StatusOK && json.Unmarshal(c.body.Bytes(), &answer) == nil {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.writes = append(l.writes, write{process, answer.Metadata.ResourceVersion})
			}
		}()
		next.ServeHTTP(c, r)
	}
}

func (l *ledger) all() []write {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.writes)
}

// writes reports whether a request changes something.
func writes(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }

// copier keeps a copy of an answer.
type copier struct {
	http.ResponseWriter
	code int
	body bytes.Buffer
}

func (c *copier) WriteHeader(code int) {
	c.code = code
	c.ResponseWriter.WriteHeader(code)
}

func (c *copier) Write(b []byte) (int, error) {
	c.body.Write(b)
	return c.ResponseWriter.Write(b)
}
