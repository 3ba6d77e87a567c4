package router

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// shadowTimeout ends mirrored requests that nobody waits for.
const shadowTimeout = 15 * time.Second

// rewriteRequest makes the request that the Pod gets.
func (x *exchange) rewriteRequest(p *httputil.ProxyRequest) {
	out := p.Out
	if prior := p.In.Header["X-Forwarded-For"]; len(prior) > 0 {
		out.Header["X-Forwarded-For"] = prior
	}
	p.SetXForwarded()
	if out.Header.Get("X-Request-Id") == "" {
		out.Header.Set("X-Request-Id", requestID(x.router.config.Random))
	}
	if rewrite := x.rule.rewrite; rewrite.path != nil || rewrite.authority != "" {
		out.Header.Set("X-Envoy-Original-Path", p.In.URL.RequestURI())
		if rewrite.path != nil {
			out.URL.Path, out.URL.RawPath = rewrite.path(out.URL.Path), ""
		}
		if rewrite.authority != "" {
			out.Host = rewrite.authority
		}
	}
	for _, ops := range []headerOps{x.rule.headers.request, x.destination.headers.request} {
		ops.apply(out.Header)
		if host := ops.host(); host != "" {
			out.Host = host
		}
	}
}

// modifyResponse notes the answer, and makes the one that the client gets.
func (x *exchange) modifyResponse(res *http.Response) error {
	x.code = res.StatusCode
	x.destination.headers.response.apply(res.Header)
	x.rule.headers.response.apply(res.Header)
	return nil
}

// requestID is a version 4 UUID.
func requestID(random func() uint64) string {
	hi, lo := random(), random()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&0xffffffffffff)
}

// answer sends a response that the route itself holds.
func (x *exchange) answer(w http.ResponseWriter, d *directResponse) {
	x.code = d.Status
	x.rule.headers.response.apply(w.Header())
	body := []byte(nil)
	if d.Body != nil {
		body = append([]byte(d.Body.String), d.Body.Bytes...)
	}
	w.WriteHeader(d.Status)
	_, _ = w.Write(body)
}

// answer sends the client elsewhere, and returns the code.
func (r *redirect) answer(w http.ResponseWriter, c *call) int {
	to := url.URL{Scheme: "http", Host: c.Host, Path: c.URL.Path, RawQuery: c.URL.RawQuery}
	if r.scheme != "" {
		to.Scheme = r.scheme
	}
	if r.host != "" {
		to.Host = r.host
	}
	if r.port != 0 {
		to.Host = net.JoinHostPort(hostname(to.Host), strconv.Itoa(r.port))
	}
	if r.path != nil {
		to.Path = r.path(to.Path)
	}
	w.Header().Set("Location", to.String())
	w.WriteHeader(r.code)
	return r.code
}

// mirror sends copies of the request to the rule's mirrors and forgets the
// answers. Requests with a body are not mirrored: the body is not kept whole.
func (x *exchange) mirror() {
	for _, m := range x.rule.mirrors {
		if x.ContentLength != 0 || !m.share.hit(x.router.config.Random()) {
			continue
		}
		to := m.cluster.pick(x.router.config.Random(), nil)
		if to == nil {
			continue
		}
		copied := x.Clone(context.WithoutCancel(x.Context()))
		copied.RequestURI, copied.Body = "", nil
		copied.Host = hostname(x.Host) + "-shadow" // as Envoy marks them
		copied.URL.Scheme, copied.URL.Host = "http", to.address
		x.router.requests.Go(func() { x.router.shadow(copied, to) })
	}
}

func (r *Router) shadow(copied *http.Request, to *endpoint) {
	ctx, cancel := context.WithTimeout(copied.Context(), shadowTimeout)
	defer cancel()
	sent := time.Now()
	res, err := r.transport.RoundTrip(copied.WithContext(ctx))
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	to.target.report(dest, res.StatusCode, "-", time.Since(sent))
}

// buffers lends httputil.ReverseProxy the memory that bodies are copied with.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if buffer, ok := b.pool.Get().(*[]byte); ok {
		return *buffer
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(buffer []byte) { b.pool.Put(&buffer) }
