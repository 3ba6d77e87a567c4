package router

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// bank is web whose port speaks TCP.
var bank = strings.NewReplacer("{name: http, port: 80}", "{name: tcp, port: 5432}", "{name: http, port: 8080}", "{name: tcp, port: 8080}").Replace(web)

func tcpWeights(v1, v2 int) string {
	return fmt.Sprintf(`
kind: VirtualService
metadata: {name: web, namespace: default}
spec:
  hosts: [web]
  tcp:
  - match: [{port: 1}]
    route: [{destination: {host: nobody}}]
  - match: [{port: 5432}]
    route:
    - {destination: {host: web, subset: v1}, weight: %d}
    - {destination: {host: web, subset: v2}, weight: %d}
`, v1, v2)
}

// serveTCP starts a Pod that says its name, and repeats what it hears.
func (m *mesh) serveTCP(t *testing.T, address, name string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	m.listens(address, l)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				fmt.Fprintln(conn, name)
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
}

// tunnelTo asks the router for a connection, and returns it with the answer.
func tunnelTo(t *testing.T, front net.Addr, host string) (*net.TCPConn, *bufio.Reader, *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", front.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", host)
	reader := bufio.NewReader(conn)
	res, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn), reader, res
}

// tcpCounted is what the TCP metrics say, by the version of the Pod.
func (m *mesh) tcpCounted() map[string]float64 {
	out := map[string]float64{}
	for _, name := range []string{"connections_opened", "connections_closed", "sent_bytes", "received_bytes"} {
		for _, metric := range m.series("istio_tcp_" + name + "_total") {
			l := labelsOf(metric)
			key := fmt.Sprintf("%s %s %s %s", l["reporter"], l["destination_version"], l["response_flags"], name)
			if v := metric.GetCounter().GetValue(); v > 0 {
				out[key] += v
			}
		}
	}
	return out
}

func (m *mesh) expectTCP(t *testing.T, want map[string]float64) {
	t.Helper()
	limit := time.Now().Add(10 * time.Second)
	for !cmp.Equal(want, m.tcpCounted()) {
		if time.Now().After(limit) {
			t.Fatalf("istio_tcp_* (-want +got):\n%s", cmp.Diff(want, m.tcpCounted()))
		}
		time.Sleep(time.Millisecond)
	}
}

// A connection's version is chosen once, when it begins. It stays there whatever
// the weights become, until its Pod is deleted.
func TestTCPConnections(t *testing.T) {
	m := newMesh(t, bank, tcpWeights(0, 100))
	m.serveTCP(t, "10.244.0.1:8080", "v1")
	m.serveTCP(t, "10.244.0.2:8080", "v1")
	m.serveTCP(t, "10.244.0.3:8080", "v2")
	front := m.front(t).Listener.Addr()
	say := func(conn net.Conn, reader *bufio.Reader, line string) string {
		fmt.Fprint(conn, line)
		got, _ := reader.ReadString('\n')
		return got
	}

	conn, reader, res := tunnelTo(t, front, "web:5432")
	if res.StatusCode != http.StatusOK {
		t.Fatalf("CONNECT: %s", res.Status)
	}
	if got := say(conn, reader, ""); got != "v2\n" {
		t.Fatalf("connected to %q", got)
	}
	m.reroute(tcpWeights(100, 0))
	if got := say(conn, reader, "still here\n"); got != "still here\n" {
		t.Errorf("after 100/0: %q", got)
	}
	second, secondReader, _ := tunnelTo(t, front, "web.default.svc.cluster.local:5432")
	if got := say(second, secondReader, ""); got != "v1\n" {
		t.Errorf("a new connection went to %q", got)
	}
	if err := second.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := secondReader.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the Pod's end: %v", err)
	}
	m.deletePod("web-v2-a")
	if _, err := reader.ReadByte(); err == nil {
		t.Error("the connection outlives its Pod's sidecar")
	}
	want := map[string]float64{}
	for _, reporter := range []string{"source", "destination"} {
		want[reporter+" v2 - connections_opened"], want[reporter+" v2 - connections_closed"] = 1, 1
		want[reporter+" v1 - connections_opened"], want[reporter+" v1 - connections_closed"] = 1, 1
		want[reporter+" v2 - sent_bytes"], want[reporter+" v2 - received_bytes"] = float64(len("v2\nstill here\n")), float64(len("still here\n"))
		want[reporter+" v1 - sent_bytes"] = float64(len("v1\n"))
	}
	m.expectTCP(t, want)
	if problems := m.Status(); len(problems) > 0 {
		t.Errorf("what was honoured is reported: %v", problems)
	}
}

func TestTCPUnreached(t *testing.T) {
	m := newMesh(t, bank, virtualServiceOf("tcp", "  - route: [{destination: {host: web, subset: v3}}]\n"))
	front := m.front(t).Listener.Addr()
	if _, _, res := tunnelTo(t, front, "web:5432"); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("no ready Pod: %s", res.Status)
	}
	m.reroute(virtualServiceOf("tcp", "  - route: [{destination: {host: web, subset: v2}}]\n"))
	delete(m.pods, "10.244.0.3:8080")
	if _, _, res := tunnelTo(t, front, "web:5432"); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("no connection to the Pod: %s", res.Status)
	}
	if _, _, res := tunnelTo(t, front, "web:80"); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a port that is none: %s", res.Status)
	}
	m.expectTCP(t, map[string]float64{
		"source unknown UH connections_opened": 1, "source unknown UH connections_closed": 1,
		"source unknown UF,URX connections_opened": 1, "source unknown UF,URX connections_closed": 1,
	})
}
