package echo

import (
	"bytes"
	"net"
	"net/http"
	"strconv"
	"time"
)

// wrap applies the faults to a route that users see. fail writes the answer of
// a request that is refused.
//
// A request whose client has gone ends without a word, as most applications
// have it; that promhttp counts it as a 200 then is part of the lesson.
func (i *injector) wrap(next http.Handler, fail func(w http.ResponseWriter, status int)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := i.draw(httpErrors)
		if h.wait > 0 && !sleep(r.Context(), h.wait) {
			return
		}
		switch h.failure {
		case refused:
			fail(w, h.ErrorStatus)
		case hanging:
			unbounded(w)
			<-r.Context().Done()
		case reset:
			cut(w)
		case broken:
			if r.Header.Get("Upgrade") == "" {
				breakOff(w, r, next)
			}
			next.ServeHTTP(w, r.WithContext(suffering(r.Context(), h)))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// unbounded lifts the server's limits on how long a request and its answer may
// take. HTTP/2 would reset the stream at the write timeout.
func unbounded(w http.ResponseWriter) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{})
	_ = c.SetWriteDeadline(time.Time{})
}

// cut ends the connection without an answer. It does so as a crash would, with
// a reset instead of a farewell. A stream of HTTP/2 cannot be taken from the
// server, but aborting its handler resets it.
func cut(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// breakOff lets half of an answer through, after a header that promises all of
// it, and then aborts as a handler does that fails on the way.
func breakOff(w http.ResponseWriter, r *http.Request, next http.Handler) {
	whole := &draft{header: w.Header(), code: http.StatusOK}
	next.ServeHTTP(whole, r)
	w.Header().Set("Content-Length", strconv.Itoa(whole.body.Len()))
	w.WriteHeader(whole.code)
	_, _ = w.Write(whole.body.Bytes()[:whole.body.Len()/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// draft is an answer that nobody has been sent yet.
type draft struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (d *draft) Header() http.Header         { return d.header }
func (d *draft) WriteHeader(code int)        { d.code = code }
func (d *draft) Write(p []byte) (int, error) { return d.body.Write(p) }
