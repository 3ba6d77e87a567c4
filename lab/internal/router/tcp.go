package router

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/canaryctl/canaryctl/lab/internal/podnet"
)

// A mesh takes TCP connections on the address of a Service. The lab's Services
// have no address that anybody could dial, so clients ask the router for a
// connection by CONNECT, as they ask any HTTP proxy.

// tcpRule says where the connections to one port of a Service go. The choice is
// made for each connection.
type tcpRule struct {
	split   split
	nowhere *target
}

// connect opens a connection to a Pod of the Service that is asked for, and lasts
// as long as that.
func (r *Router) connect(w http.ResponseWriter, req *http.Request) {
	refuse := func(code int, format string, arguments ...any) {
		http.Error(w, "canary-lab router: "+fmt.Sprintf(format, arguments...), code)
	}
	s := r.snapshot.Load()
	rule := s.tcp[strings.ToLower(req.Host)]
	if rule == nil {
		refuse(http.StatusMethodNotAllowed, "CONNECT is for ports that speak TCP, and %s is none; "+
			"send plain HTTP, as http_proxy clients do for http:// URLs", req.Host)
		return
	}
	to, target, flags := r.choose(rule)
	if to == nil {
		target.connection(source, flags).refused()
		refuse(http.StatusServiceUnavailable, "no healthy upstream for %s", req.Host)
		return
	}
	pod, err := r.connections.DialContext(req.Context(), "tcp", to.address)
	if err != nil {
		to.unanswered.connection(source, "UF,URX").refused() // it was tried once, which is all that Envoy does
		refuse(http.StatusServiceUnavailable, "%v", err)
		return
	}
	defer pod.Close()
	client, err := hijack(w)
	if err != nil {
		refuse(http.StatusMethodNotAllowed, "CONNECT over %s: %v", req.Proto, err)
		return
	}
	defer client.Close()
	pipe(req.Context(), client, pod, to.target)
}

// choose finds a Pod for a connection, or says what metrics name in its stead.
func (r *Router) choose(rule *tcpRule) (to *endpoint, without *target, flags string) {
	d := rule.split.pick(r.config.Random())
	if d == nil || d.cluster.missing != "" {
		return nil, rule.nowhere, "NC"
	}
	return d.cluster.pick(r.config.Random(), nil), d.cluster.nowhere, "UH"
}

// hijack takes the client's connection over, and tells it to go ahead.
func hijack(w http.ResponseWriter) (net.Conn, error) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &bufferedConn{Conn: conn, reader: buffered.Reader}, nil
}

// pipe copies both ways until the end, and counts as both sides of a mesh do.
func pipe(ctx context.Context, client, pod net.Conn, t *target) {
	sides := []*tcpSeries{t.connection(source, "-"), t.connection(dest, "-")}
	received := func(n int) {
		for _, s := range sides {
			s.received.Add(float64(n))
		}
	}
	sent := func(n int) {
		for _, s := range sides {
			s.sent.Add(float64(n))
		}
	}
	for _, s := range sides {
		s.opened.Inc()
	}
	podnet.Splice(ctx, &countedConn{client, received}, &countedConn{pod, sent})
	for _, s := range sides {
		s.closed.Inc()
	}
}

// countedConn tells how much is read.
type countedConn struct {
	net.Conn
	read func(n int)
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read(n)
	return n, err
}

// CloseWrite says that nothing more will be written.
func (c *countedConn) CloseWrite() error { return closeWrite(c.Conn) }

// bufferedConn reads first what the HTTP server read ahead.
type bufferedConn struct {
	net.Conn
	reader *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.reader.Read(p) }

// CloseWrite says that nothing more will be written.
func (c *bufferedConn) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// tcpTelemetry is Istio's standard metrics of connections.
type tcpTelemetry struct{ opened, closed, sent, received *prometheus.CounterVec }

func newTCPTelemetry(registry *prometheus.Registry) tcpTelemetry {
	counter := func(name, help string) *prometheus.CounterVec {
		labels := append(destinationLabels(), "request_protocol", "response_flags", "connection_security_policy")
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		registry.MustRegister(c)
		return c
	}
	return tcpTelemetry{
		opened:   counter("istio_tcp_connections_opened_total", "TCP connections that were opened."),
		closed:   counter("istio_tcp_connections_closed_total", "TCP connections that have ended."),
		sent:     counter("istio_tcp_sent_bytes_total", "Bytes that Pods sent over TCP connections."),
		received: counter("istio_tcp_received_bytes_total", "Bytes that Pods received over TCP connections."),
	}
}

func (t *tcpTelemetry) forget(of prometheus.Labels) {
	for _, c := range []*prometheus.CounterVec{t.opened, t.closed, t.sent, t.received} {
		c.DeletePartialMatch(of)
	}
}

// tcpSeries counts the connections to one workload as one side sees them.
type tcpSeries struct{ opened, closed, sent, received prometheus.Counter }

// refused counts a connection that reached no Pod.
func (s *tcpSeries) refused() { s.opened.Inc(); s.closed.Inc() }

func (t *target) connection(reporter int, flags string) *tcpSeries {
	values, security := t.labels(reporter)
	values = append(values, "tcp", flags, security)
	of := &t.telemetry.tcp
	return &tcpSeries{
		opened: of.opened.WithLabelValues(values...), closed: of.closed.WithLabelValues(values...),
		sent: of.sent.WithLabelValues(values...), received: of.received.WithLabelValues(values...),
	}
}
