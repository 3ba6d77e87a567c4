package router

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httputil"
	"sync"
)

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
	if expected := cmp.Or(x.rule.retry.perTry, x.limit); x.grpc && expected > 0 {
		setGRPCTimeout(out.Header, expected)
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
	x.code, x.passed = res.StatusCode, true
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

// buffers lends httputil.ReverseProxy the memory that bodies are copied with.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if buffer, ok := b.pool.Get().(*[]byte); ok {
		return *buffer
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(buffer []byte) { b.pool.Put(&buffer) }
