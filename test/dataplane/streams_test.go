package dataplane

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/canaryctl/canaryctl/test/dataplane/internal/failing"
	"github.com/canaryctl/canaryctl/test/dataplane/internal/mesh"
)

// A stream counts once, at its end. One that its client leaves has no status of the
// server: Envoy makes UNKNOWN of it, which is no failure.
func (b *bed) testStreamsCountAtTheirEnd(t *testing.T) {
	conn, err := grpcConn(b.client)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	closed := request{name: "stream, closed", fail: failing.Stream}
	s, err := stream(t.Context(), conn, closed)
	if err != nil {
		t.Fatal(err)
	}
	left := request{name: "stream, left", fail: failing.Stream}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	if _, err := stream(ctx, conn, left); err != nil {
		t.Fatal(err)
	}
	good := request{name: "beside the streams"}
	failure{ask: good, sees: "OK", handled: 1, counts: counts{answered("200", "-", "0"): 1, received("200", "-", "0"): 1}}.
		try(t, b, grpcUser(b.client))
	b.hasCounted(t, closed, counts{})
	b.hasCounted(t, left, counts{})

	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := s.RecvMsg(new(emptypb.Empty)); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v", err)
	}
	b.hasCounted(t, closed, counts{answered("200", "-", "0"): 1, received("200", "-", "0"): 1})
	leave()
	b.hasCounted(t, left, counts{answered("200", "DR", "2"): 1, received("200", "DR", "2"): 1})
}

// An upgraded connection, as of a WebSocket, counts once, at its end. One that its
// server ends has the flag of a connection that was lost, and is no failure.
func (b *bed) testUpgradesCountAtTheirEnd(t *testing.T) {
	closed := request{name: "upgraded, closed", fail: failing.Upgrade}
	server := b.upgrade(t, closed)
	left := request{name: "upgraded, left", fail: failing.Upgrade}
	client := b.upgrade(t, left)
	b.hasCounted(t, closed, counts{})
	b.hasCounted(t, left, counts{})

	fmt.Fprintln(server, "end")
	b.hasCounted(t, closed, counts{answered("101", "UC", ""): 1, received("101", "UC", ""): 1})
	client.Close()
	b.hasCounted(t, left, counts{answered("101", "DC", ""): 1, received("101", "DC", ""): 1})
}

// upgrade returns a connection over which a line has come back.
func (b *bed) upgrade(t *testing.T, r request) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort(b.client.Address, strconv.Itoa(mesh.HTTPPort)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", r.host())
	for name, value := range r.headers() {
		fmt.Fprintf(conn, "%s: %s\r\n", name, value)
	}
	fmt.Fprint(conn, "\r\n")
	reader := bufio.NewReader(conn)
	answer, err := http.ReadResponse(reader, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v, %v", answer, err)
	}
	fmt.Fprintln(conn, "hello")
	if line, err := reader.ReadString('\n'); line != "hello\n" {
		t.Fatalf("over the upgraded connection came %q, %v", line, err)
	}
	return conn
}

// A gRPC client has one connection to its Envoy, with room for so many streams. What
// hangs at the canary fills it, and then nothing gets through to v1 either, whatever
// the route says, until the canary's Pods end.
func (b *bed) testHangingFillsTheConnection(t *testing.T) {
	b.route(t, "testdata/routes.yaml")
	b.sendsTo(t, b.app2)
	conn, err := grpcConn(b.client)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	call := callOn(conn)
	hanging := request{name: "filling the connection", route: "split", fail: failing.Hang + "@v2"}
	var sending sync.WaitGroup
	defer sending.Wait()
	defer leave()
	for range 3 * maxStreams {
		sending.Go(func() { call(ctx, hanging) })
	}
	b.isOpen(t, mesh.Active, "v2", maxStreams)

	good := request{name: "behind it", patience: soon, silent: true}
	b.route(t, "testdata/rolled-back.yaml")
	b.sendsTo(t, b.app1)
	if got := call(t.Context(), good); got != "Canceled" {
		t.Errorf("with a full connection, a call gets %s", got)
	}
	good.patience = 0
	if got := grpcUser(b.client)(t.Context(), good); got != "OK" {
		t.Errorf("on another connection, a call gets %s", got)
	}

	b.v2.Stop()
	if got := call(t.Context(), good); got != "OK" {
		t.Errorf("after the end of v2's Pod, a call gets %s", got)
	}
}

// maxStreams is how many streams Envoy allows on one connection of a client.
const maxStreams = 1024

// A stream stays with the version that it began with, when no new request goes there.
func (b *bed) testStreamsStay(t *testing.T) {
	conn, err := grpcConn(b.client)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s, err := stream(t.Context(), conn, request{name: "staying", fail: failing.Stream})
	if err != nil {
		t.Fatal(err)
	}

	b.route(t, "testdata/rolled-back.yaml")
	b.sendsTo(t, b.app1)
	if err := talk(s); err != nil {
		t.Errorf("the stream on v2 after the rollback: %v", err)
	}
	b.isOpen(t, mesh.Active, "v2", 1)
}
