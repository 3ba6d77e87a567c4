package echo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/canaryctl/canaryctl/versioned-echo/internal/echopb"
)

func dial(t *testing.T, url string) echopb.EchoClient {
	t.Helper()
	return echopb.NewEchoClient(dialConn(t, url))
}

func dialConn(t *testing.T, url string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(strings.TrimPrefix(url, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// serveGRPC starts a server that misbehaves, and a client of it.
func serveGRPC(t *testing.T, change func(*Faults)) (*Server, echopb.EchoClient, string) {
	t.Helper()
	s := newServer(func(c *Config) {
		c.DrainDelay, c.FaultsEndpoint = 0, true
		if change != nil {
			change(&c.Faults)
		}
	})
	url, stop := serve(t, s)
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s, dial(t, url), url
}

// handled is how often calls of a method ended with each status.
func (s *Server) handled(t *testing.T, method string) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	families, err := s.meter.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "grpc_server_handled_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := make(map[string]string)
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["grpc_method"] == method {
				counts[labels["grpc_code"]] += int(m.GetCounter().GetValue())
			}
		}
	}
	return counts
}

func TestEchoOverGRPC(t *testing.T) {
	s, client, _ := serveGRPC(t, nil)
	var header metadata.MD
	got, err := client.Echo(t.Context(), &echopb.EchoRequest{Message: "hello"}, grpc.Header(&header))
	if err != nil {
		t.Fatal(err)
	}
	if got.GetVersion() != "v1" || got.GetPod() != "echo-abc" || got.GetMessage() != "hello" {
		t.Errorf("got %v", got)
	}
	if v := header.Get("x-app-version"); len(v) != 1 || v[0] != "v1" {
		t.Errorf("metadata names version %q, want v1", v)
	}
	const want = `
# HELP grpc_server_handled_total Total number of RPCs completed on the server, regardless of success or failure.
# TYPE grpc_server_handled_total counter
grpc_server_handled_total{grpc_code="OK",grpc_method="Echo",grpc_service="canaryctl.echo.v1.Echo",grpc_type="unary",version="v1"} 1
# HELP grpc_server_started_total Total number of RPCs started on the server.
# TYPE grpc_server_started_total counter
grpc_server_started_total{grpc_method="Echo",grpc_service="canaryctl.echo.v1.Echo",grpc_type="unary",version="v1"} 1
`
	if err := testutil.GatherAndCompare(s.meter.registry, strings.NewReader(want), "grpc_server_handled_total", "grpc_server_started_total"); err != nil {
		t.Error(err)
	}
}

// The stream's client ends it, and not the service.
func TestRepeatGoesOnUntilTheClientLeaves(t *testing.T) {
	s, client, _ := serveGRPC(t, nil)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	stream, err := client.Repeat(ctx, &echopb.RepeatRequest{Interval: durationpb.New(0)})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if m, err := stream.Recv(); err != nil || m.GetVersion() != "v1" {
			t.Fatalf("%v, %v", m, err)
		}
	}
	if got := s.handled(t, "Repeat"); len(got) != 0 {
		t.Errorf("counted before it has ended: %v", got)
	}
	leave()
	eventually(t, "the stream has ended", func() bool { return s.handled(t, "Repeat")["Canceled"] == 1 })
}

func TestGRPCStatus(t *testing.T) {
	type outcome struct {
		code     codes.Code
		messages int
		header   bool // a header block of its own came before the status
	}
	unary := func(t *testing.T, c echopb.EchoClient) outcome {
		var header metadata.MD
		_, err := c.Echo(t.Context(), &echopb.EchoRequest{}, grpc.Header(&header))
		return outcome{status.Code(err), 0, header != nil}
	}
	stream := func(t *testing.T, c echopb.EchoClient) (o outcome) {
		s, err := c.Repeat(t.Context(), &echopb.RepeatRequest{Count: 3, Interval: durationpb.New(0)})
		if err != nil {
			t.Fatal(err)
		}
		header, _ := s.Header()
		o.header = header != nil
		for _, err = s.Recv(); err == nil; _, err = s.Recv() {
			o.messages++
		}
		if !errors.Is(err, io.EOF) {
			o.code = status.Code(err)
		}
		return o
	}
	for when, want := range map[GRPCWhen][2]outcome{
		TrailersOnly:  {{codes.DataLoss, 0, false}, {codes.DataLoss, 0, false}},
		AfterHeaders:  {{codes.DataLoss, 0, true}, {codes.DataLoss, 0, true}},
		AfterMessages: {{codes.DataLoss, 0, true}, {codes.DataLoss, 3, true}},
	} {
		s, client, _ := serveGRPC(t, func(f *Faults) { f.GRPCShare, f.GRPCStatus, f.GRPCWhen = 1, codes.DataLoss, when })
		if got := unary(t, client); got != want[0] {
			t.Errorf("unary, %s: %+v, want %+v", when, got, want[0])
		}
		if got := stream(t, client); got != want[1] {
			t.Errorf("stream, %s: %+v, want %+v", when, got, want[1])
		}
		for _, method := range []string{"Echo", "Repeat"} {
			if diff := cmp.Diff(map[string]int{"DataLoss": 1}, s.handled(t, method)); diff != "" {
				t.Errorf("%s, %s, counted (-want +got):\n%s", method, when, diff)
			}
		}
	}
}

// On the wire, Trailers-Only is one header block with the status in it, as
// grpc-go's own server has it: what Envoy takes for something it may retry.
func TestTrailersOnlyIsOneHeaderBlock(t *testing.T) {
	for when, inHeader := range map[GRPCWhen]bool{TrailersOnly: true, AfterHeaders: false} {
		_, _, url := serveGRPC(t, func(f *Faults) { f.GRPCShare, f.GRPCStatus, f.GRPCWhen = 1, codes.Unavailable, when })
		empty := []byte{0, 0, 0, 0, 0} // a message of no bytes
		response, err := newClient2(t).Post(url+echopb.Echo_Echo_FullMethodName, "application/grpc", bytes.NewReader(empty))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || len(body) != 0 || response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, body %q, %v", when, response.Status, body, err)
		}
		got := [2]string{response.Header.Get("Grpc-Status"), response.Trailer.Get("Grpc-Status")}
		want := [2]string{"", "14"}
		if inHeader {
			want = [2]string{"14", ""}
		}
		if got != want {
			t.Errorf("%s: status in header and trailer %q, want %q", when, got, want)
		}
		if response.Header.Get("X-App-Version") != "v1" || inHeader && response.Header["Content-Length"] != nil {
			t.Errorf("%s: header %v", when, response.Header)
		}
	}
}

func TestHangingCallEndsWithItsClient(t *testing.T) {
	s, client, _ := serveGRPC(t, func(f *Faults) { f.HangShare = 1 })
	started := func() int {
		n, err := testutil.GatherAndCount(s.meter.registry, "grpc_server_started_total")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := client.Echo(ctx, &echopb.EchoRequest{})
		left <- err
	}()
	eventually(t, "the call has started", func() bool { return started() == 1 })
	if got := s.handled(t, "Echo"); len(got) != 0 {
		t.Errorf("counted before it has ended: %v", got)
	}
	leave()
	if err := <-left; status.Code(err) != codes.Canceled {
		t.Errorf("client got %v", err)
	}
	eventually(t, "it is counted as cancelled", func() bool { return s.handled(t, "Echo")["Canceled"] == 1 })

	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.Echo(short, &echopb.EchoRequest{}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("with a deadline: %v", err)
	}
	// The client's reset and the server's own deadline race, as they do everywhere.
	eventually(t, "both are counted", func() bool {
		got := s.handled(t, "Echo")
		return got["Canceled"]+got["DeadlineExceeded"] == 2
	})
}

// The stream is cut, and the application, which answered as far as it knows,
// counts a good call.
func TestCallsThatAreCut(t *testing.T) {
	for name, f := range map[string]Faults{"broken": {BreakShare: 1}, "reset": {ResetShare: 1}} {
		t.Run(name, func(t *testing.T) {
			s, client, _ := serveGRPC(t, func(g *Faults) { g.BreakShare, g.ResetShare = f.BreakShare, f.ResetShare })
			var header metadata.MD
			_, err := client.Echo(t.Context(), &echopb.EchoRequest{Message: strings.Repeat("x", 100)}, grpc.Header(&header))
			if status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "RST_STREAM") {
				t.Errorf("client got %v, want a stream that is reset", err)
			}
			if got := header.Get("x-app-version"); (len(got) == 1) != (name == "broken") {
				t.Errorf("header names version %q", got)
			}
			eventually(t, "it is counted", func() bool { return s.handled(t, "Echo")["OK"] == 1 })

			// An endless stream is cut, too, and not at its end.
			stream, err := client.Repeat(t.Context(), &echopb.RepeatRequest{Message: "x", Interval: durationpb.New(0)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); status.Code(err) != codes.Internal {
				t.Errorf("stream: %v", err)
			}
			eventually(t, "the stream has ended", func() bool { return s.handled(t, "Repeat")["Canceled"] == 1 })
		})
	}
}

// A proxy sends plain requests and calls over the same connection.
func TestOneConnectionCarriesBoth(t *testing.T) {
	s, _, url := serveGRPC(t, nil)
	client := newClient2(t)
	addresses := make(map[string]bool)
	for _, ask := range []func() (*http.Response, error){
		func() (*http.Response, error) { return client.Get(url + "/") },
		func() (*http.Response, error) {
			return client.Post(url+echopb.Echo_Echo_FullMethodName, "application/grpc+proto", bytes.NewReader(make([]byte, 5)))
		},
		func() (*http.Response, error) { return client.Get(url + "/version") },
	} {
		response, err := ask()
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		addresses[fmt.Sprint(response.Proto)] = true
		if response.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("v1")) {
			t.Errorf("%s: %q", response.Status, body)
		}
	}
	if s.counted("200") != 1 || s.handled(t, "Echo")["OK"] != 1 || !addresses["HTTP/2.0"] || len(addresses) != 1 {
		t.Errorf("counted %v and %v over %v", s.counted("200"), s.handled(t, "Echo"), addresses)
	}
}

// The health service says what /health says, and suffers no faults.
func TestHealthOverGRPC(t *testing.T) {
	s, _, url := serveGRPC(t, func(f *Faults) { f.HangShare = 1 })
	client := healthpb.NewHealthClient(dialConn(t, url))
	for _, service := range []string{"", "canaryctl.echo.v1.Echo"} {
		s.setFaults(Faults{HangShare: 1})
		if r, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service}); err != nil || r.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("%q: %v, %v", service, r, err)
		}
		call(s.handler(), http.MethodPut, "/faults", `{"unhealthy":true}`)
		if r, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service}); err != nil || r.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
			t.Errorf("%q, unhealthy: %v, %v", service, r, err)
		}
	}
}
