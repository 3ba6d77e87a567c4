package podnet

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// startProxy serves CONNECT on a unix socket and returns how to reach it.
func startProxy(t *testing.T, table *Table) (dial func() net.Conn, stop func() error) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- table.ServeConnect(ctx, l) }()
	dial = func() net.Conn {
		t.Helper()
		conn, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	return dial, func() error { cancel(); return <-done }
}

// echoOnce answers one connection with what it read until its half-close.
func echoOnce(t *testing.T) (addr string, wait func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = l.Close() }()
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		said, _ := io.ReadAll(conn)
		_, _ = conn.Write(append([]byte("heard "), said...))
	}()
	return l.Addr().String(), func() { _ = l.Close(); <-done }
}

func connect(t *testing.T, conn net.Conn, request string) *http.Response {
	t.Helper()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, 1<<10)), &http.Request{Method: http.MethodConnect})
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestServeConnectTunnels(t *testing.T) {
	defer goleak.VerifyNone(t)
	addr, wait := echoOnce(t)
	table := NewTable()
	table.Map(netip.MustParseAddr("10.244.0.5"), 8080, addr)
	dial, stop := startProxy(t, table)

	conn := dial()
	// The first bytes of the tunnel come in the same packet as the request: the
	// proxy must not lose them.
	if _, err := io.WriteString(conn, "CONNECT 10.244.0.5:8080 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nhel"); err != nil {
		t.Fatal(err)
	}
	answer := bufio.NewReader(conn)
	resp, err := http.ReadResponse(answer, &http.Request{Method: http.MethodConnect})
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("CONNECT: %v, %v", resp, err)
	}
	_, _ = io.WriteString(conn, "lo")
	_ = conn.(*net.UnixConn).CloseWrite()
	if said, _ := io.ReadAll(answer); string(said) != "heard hello" {
		t.Errorf("through the tunnel came %q, want %q", said, "heard hello")
	}
	_ = conn.Close()
	wait()
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestServeConnectRefuses(t *testing.T) {
	defer goleak.VerifyNone(t)
	dial, stop := startProxy(t, NewTable())
	for _, tt := range []struct {
		name, request string
		want          int
	}{
		{"unknown Pod", "CONNECT 10.244.0.5:8080 HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusBadGateway},
		{"not a CONNECT", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusMethodNotAllowed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := dial()
			defer func() { _ = conn.Close() }()
			if got := connect(t, conn, tt.request).StatusCode; got != tt.want {
				t.Errorf("status %d, want %d", got, tt.want)
			}
		})
	}
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestServeConnectEndsTunnelsWithItsContext(t *testing.T) {
	defer goleak.VerifyNone(t)
	addr, wait := echoOnce(t)
	table := NewTable()
	table.Map(netip.MustParseAddr("10.244.0.5"), 8080, addr)
	dial, stop := startProxy(t, table)
	conn := dial()
	defer func() { _ = conn.Close() }()
	if resp := connect(t, conn, "CONNECT 10.244.0.5:8080 HTTP/1.1\r\nHost: x\r\n\r\n"); resp.StatusCode != http.StatusOK {
		t.Fatalf("CONNECT: %s", resp.Status)
	}
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if rest, err := io.ReadAll(conn); err == nil && strings.Contains(string(rest), "heard") {
		t.Errorf("the tunnel outlived its context and said %q", rest)
	}
	wait()
}
