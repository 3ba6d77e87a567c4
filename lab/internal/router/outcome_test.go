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
	"testing"
	"time"
)

// answerOf is what a client of the router gets: the code, the body, and how the
// reading of it ended.
func answerOf(ctx context.Context, url string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	req.Host = "web"
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return "nothing"
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Sprintf("%d %s, broken off", res.StatusCode, body)
	}
	return fmt.Sprintf("%d %s", res.StatusCode, body)
}

const reset503 = "503 upstream connect error or disconnect/reset before headers. reset reason: "

// Pods that misbehave. hang never answers, and says when it was asked.
func hang(asked chan<- struct{}) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server see the client leave
		asked <- struct{}{}
		<-r.Context().Done()
	}
}

func breakOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, "half")
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// halfAndHang answers half, and never the rest.
func halfAndHang(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, "half")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// TestOutcomes holds what users get and what both sides count of it to what real
// Envoys with Istio's telemetry do.
func TestOutcomes(t *testing.T) {
	tests := []struct {
		name    string
		rule    string // before the route to v2
		pod     http.HandlerFunc
		user    string
		counted []string
	}{
		{"answered", "name: x", echo("v2"), "200 v2 GET /", []string{
			"source 200 - v2/v2", "destination 200 - v2/v2"}},
		{"an error of the Pod's", "name: x", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "500 ", []string{
			"source 500 - v2/v2", "destination 500 - v2/v2"}},
		// The sender knows the endpoint, and nothing of the version.
		{"the route's time-out", "timeout: 20ms", hang(make(chan struct{}, 9)), "504 upstream request timeout", []string{
			"source 504 UT unknown/v2", "destination 0 DC v2/v2"}},
		{"a time-out for each try, which nothing retries", "retries: {attempts: 2, perTryTimeout: 20ms}", hang(make(chan struct{}, 9)),
			"504 upstream request timeout", []string{"source 504 UT unknown/v2", "destination 0 DC v2/v2"}},
		{"and one that is retried", "retries: {attempts: 1, perTryTimeout: 20ms, retryOn: 5xx}", hang(make(chan struct{}, 9)),
			"504 upstream request timeout", []string{"source 504 URX,UT unknown/v2", "destination 0 DC v2/v2", "destination 0 DC v2/v2"}},
		{"a time-out in the middle of the answer", "timeout: 1s", halfAndHang, "200 half, broken off", []string{
			"source 200 UT v2/v2", "destination 200 DC v2/v2"}},
		{"a body that breaks off", "name: x", breakOff, "200 half, broken off", []string{
			"source 200 UPE v2/v2", "destination 200 UPE v2/v2"}},
		// The Pod's sidecar answers: to the sender it is a 503 like any other.
		{"a reset before headers", "name: x", hangUp, reset503 + "connection termination", []string{
			"source 503 - v2/v2", "destination 503 UC v2/v2"}},
		{"a fault", "fault: {abort: {percentage: {value: 100}, httpStatus: 418}}", echo("v2"), "418 fault filter abort", []string{
			"source 418 FI unknown/latest"}},
		{"a delay and a time-out", "fault: {delay: {percentage: {value: 100}, fixedDelay: 1ms}}\n    timeout: 20ms", hang(make(chan struct{}, 9)),
			"504 upstream request timeout", []string{"source 504 DI,UT unknown/v2", "destination 0 DC v2/v2"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMesh(t, web, virtualService("  - "+test.rule+"\n"+toV2))
			m.serve("10.244.0.3:8080", test.pod)
			if got := answerOf(t.Context(), m.front(t).URL); got != test.user {
				t.Errorf("the user got %q, want %q", got, test.user)
			}
			m.expectCounted(t, test.counted...)
		})
	}
}

// TestUnreached is requests that no Pod gets.
func TestUnreached(t *testing.T) {
	tests := []struct {
		name, rule, user string
		counted          string
	}{
		{"no ready Pod", "  - route: [{destination: {host: web, subset: v3}}]\n", "503 no healthy upstream", "source 503 UH unknown/latest"},
		{"no such subset", "  - route: [{destination: {host: web, subset: v9}}]\n",
			`503 cluster not found: no DestinationRule has a subset "v9" for web.default.svc.cluster.local`, "source 503 NC unknown/latest"},
		{"no rule", "  - match: [{uri: {exact: /other}}]\n" + toV1, "404 canary-lab router: no rule of the route matches this request",
			"source 404 NR unknown/latest"},
		{"connection refused, three times", "  - name: x\n" + toV2, reset503 + "connection failure", "source 503 URX,UF unknown/v2"},
		{"connection refused, without retries", "  - retries: {attempts: 0}\n" + toV2, reset503 + "connection failure", "source 503 UF unknown/v2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMesh(t, web, virtualService(test.rule))
			delete(m.pods, "10.244.0.3:8080")
			if got := answerOf(t.Context(), m.front(t).URL); got != test.user {
				t.Errorf("the user got %q, want %q", got, test.user)
			}
			m.expectCounted(t, test.counted)
			if got := m.count(map[string]string{"destination_service_name": "web", "destination_service_namespace": "default"}); got != 1 {
				t.Errorf("the Service's name is lost: %v", m.series("istio_requests_total"))
			}
		})
	}
}

// A request that hangs is counted by nobody, until its client leaves.
func TestHangingCountsNothing(t *testing.T) {
	m := newMesh(t, web, weights(0, 100))
	asked := make(chan struct{}, 1)
	m.serve("10.244.0.3:8080", hang(asked))
	url := m.front(t).URL
	ctx, leave := context.WithCancel(t.Context())
	got := make(chan string, 1)
	go func() { got <- answerOf(ctx, url) }()
	<-asked
	m.expectCounted(t)
	leave()
	if answer := <-got; answer != "nothing" {
		t.Errorf("the user got %q", answer)
	}
	m.expectCounted(t, "source 0 DC unknown/v2", "destination 0 DC v2/v2")
}

// Over HTTP/2 the client's side counts another flag; its Pod is asked in HTTP/1.1.
func TestLeavingOverHTTP2(t *testing.T) {
	m := newMesh(t, web, weights(0, 100))
	asked := make(chan struct{}, 1)
	m.serve("10.244.0.3:8080", hang(asked))
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.front(t).URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "web"
	go func() { <-asked; leave() }()
	if res, err := transport.RoundTrip(req); err == nil {
		_ = res.Body.Close()
		t.Errorf("the user got %d", res.StatusCode)
	}
	m.expectCounted(t, "source 0 DR unknown/v2", "destination 0 DC v2/v2")
}

// A stream is counted once, at its end, with its whole life as its duration. Who
// leaves it is told by the flag.
func TestStreamCountsAtItsEnd(t *testing.T) {
	m := newMesh(t, web, weights(0, 100))
	end := make(chan struct{})
	m.serve("10.244.0.3:8080", streamUntil(end))
	url := m.front(t).URL
	ctx, leave := context.WithCancel(t.Context())
	open(ctx, t, url)
	open(ctx, t, url)
	begun := time.Now()
	m.expectCounted(t)
	lasted := time.Since(begun)
	end <- struct{}{}
	m.expectCounted(t, "source 200 - v2/v2", "destination 200 - v2/v2")
	for _, s := range m.series("istio_request_duration_milliseconds") {
		if got := s.GetHistogram().GetSampleSum(); got < float64(lasted.Milliseconds()) {
			t.Errorf("a stream that was open for more than %v counts with %v ms", lasted, got)
		}
	}
	leave()
	m.expectCounted(t, "source 200 - v2/v2", "destination 200 - v2/v2", "source 200 DC v2/v2", "destination 200 DC v2/v2")
}

// streamUntil is a Pod that says one line, and then nothing until the end.
func streamUntil(end <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-end:
		case <-r.Context().Done():
		}
	}
}

// open begins a stream, reads it to its end in the background, and tells that.
func open(ctx context.Context, t *testing.T, url string) <-chan error {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "web"
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(res.Body)
	if line, err := reader.ReadString('\n'); line != "first\n" || err != nil {
		t.Fatalf("the stream begins with %q: %v", line, err)
	}
	end := make(chan error, 1)
	go func() {
		defer res.Body.Close()
		_, err := io.Copy(io.Discard, reader)
		end <- err
	}()
	return end
}

// shout is a Pod that turns lines to upper case over an upgraded connection,
// until it is told to end.
func shout(w http.ResponseWriter, _ *http.Request) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n")
	for {
		line, err := buffered.ReadString('\n')
		if err != nil || line == "end\n" {
			return
		}
		_, _ = io.WriteString(conn, strings.ToUpper(line))
	}
}

// upgrade opens a connection to the router and upgrades it.
func upgrade(t *testing.T, front net.Addr) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", front.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n")
	reader := bufio.NewReader(conn)
	res, err := http.ReadResponse(reader, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v %v", res, err)
	}
	fmt.Fprintln(conn, "hello")
	if line, err := reader.ReadString('\n'); line != "HELLO\n" {
		t.Fatalf("over the upgraded connection: %q, %v", line, err)
	}
	return conn, reader
}

// An upgraded connection is counted once, when it ends, by a flag for who ends it,
// whatever the route's time-out: that begins when a client has said all.
func TestUpgradeCountsAtItsEnd(t *testing.T) {
	m := newMesh(t, web, virtualService("  - timeout: 1ms\n"+toV2))
	m.serve("10.244.0.3:8080", http.HandlerFunc(shout))
	front := m.front(t).Listener.Addr()
	conn, reader := upgrade(t, front)
	m.expectCounted(t)
	fmt.Fprintln(conn, "end")
	if _, err := reader.ReadString('\n'); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
	m.expectCounted(t, "source 101 UC v2/v2", "destination 101 UC v2/v2")
	conn, _ = upgrade(t, front)
	conn.Close()
	m.expectCounted(t, "source 101 UC v2/v2", "destination 101 UC v2/v2", "source 101 DC v2/v2", "destination 101 DC v2/v2")
}
