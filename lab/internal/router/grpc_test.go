package router

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// healthPod is a gRPC server whose answers are functions.
type healthPod struct {
	health.UnimplementedHealthServer
	check func(context.Context) error
	watch func(health.Health_WatchServer) error
}

func (p *healthPod) Check(ctx context.Context, r *health.HealthCheckRequest) (*health.HealthCheckResponse, error) {
	if p.check != nil {
		if err := p.check(ctx); err != nil {
			return nil, err
		}
	}
	if r.GetService() != "web" {
		return nil, status.Error(codes.InvalidArgument, "the request did not arrive whole")
	}
	return &health.HealthCheckResponse{}, nil
}

func (p *healthPod) Watch(_ *health.HealthCheckRequest, s health.Health_WatchServer) error {
	return p.watch(s)
}

// serveGRPC starts a gRPC Pod at a nominal address.
func (m *mesh) serveGRPC(t testing.TB, address string, pod *healthPod, options ...grpc.ServerOption) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(options...)
	health.RegisterHealthServer(server, pod)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	m.listens(address, l)
}

// dialGRPC connects a gRPC client to the router, as to web.
func (m *mesh) dialGRPC(t testing.TB) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+m.front(t).Listener.Addr().String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("web"), grpc.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func check(ctx context.Context, conn *grpc.ClientConn) codes.Code {
	_, err := health.NewHealthClient(conn).Check(ctx, &health.HealthCheckRequest{Service: "web"})
	return status.Code(err)
}

// times repeats what is counted.
func times(n int, what string) []string { return strings.Split(strings.Repeat("\n"+what, n)[1:], "\n") }

// TestCalls is what users and both sides see of gRPC calls that a Pod answers.
func TestCalls(t *testing.T) {
	fails := func(c codes.Code) func(context.Context) error {
		return func(context.Context) error { return status.Error(c, "so it is") }
	}
	tests := []struct {
		name    string
		rule    string
		check   func(context.Context) error
		user    codes.Code
		counted []string
	}{
		{"answered", "name: x", nil, codes.OK, []string{"source 200 grpc 0 - v2/v2", "destination 200 grpc 0 - v2/v2"}},
		{"a status that is no reason to try again", "name: x", fails(codes.Internal), codes.Internal,
			[]string{"source 200 grpc 13 - v2/v2", "destination 200 grpc 13 - v2/v2"}},
		// One user's failure, which the Pod counts three times.
		{"unavailable is tried three times", "name: x", fails(codes.Unavailable), codes.Unavailable,
			append(times(3, "destination 200 grpc 14 - v2/v2"), "source 200 grpc 14 URX v2/v2")},
		{"so is cancelled", "name: x", fails(codes.Canceled), codes.Canceled,
			append(times(3, "destination 200 grpc 1 - v2/v2"), "source 200 grpc 1 URX v2/v2")},
		{"not without retries", "retries: {attempts: 0}", fails(codes.Unavailable), codes.Unavailable,
			[]string{"source 200 grpc 14 - v2/v2", "destination 200 grpc 14 - v2/v2"}},
		{"what the route says", "retries: {attempts: 1, retryOn: resource-exhausted}", fails(codes.ResourceExhausted), codes.ResourceExhausted,
			append(times(2, "destination 200 grpc 8 - v2/v2"), "source 200 grpc 8 URX v2/v2")},
		{"nothing is tried again after headers", "name: x", func(ctx context.Context) error {
			_ = grpc.SendHeader(ctx, metadata.Pairs("begun", "yes"))
			return status.Error(codes.Unavailable, "too late")
		}, codes.Unavailable, []string{"source 200 grpc 14 - v2/v2", "destination 200 grpc 14 - v2/v2"}},
		{"a fault", "fault: {abort: {percentage: {value: 100}, httpStatus: 503}}", nil, codes.Unavailable,
			[]string{"source 200 grpc 14 FI unknown/latest"}},
		{"a fault by another code", "fault: {abort: {percentage: {value: 100}, httpStatus: 404}}", nil, codes.Unimplemented,
			[]string{"source 200 grpc 12 FI unknown/latest"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMesh(t, web, virtualService("  - "+test.rule+"\n"+toV2))
			m.serveGRPC(t, "10.244.0.3:8080", &healthPod{check: test.check})
			if got := check(t.Context(), m.dialGRPC(t)); got != test.user {
				t.Errorf("the user got %v, want %v", got, test.user)
			}
			m.expectCounted(t, test.counted...)
		})
	}
}

// TestCallsUnreached is gRPC calls that no Pod gets: code 200, all the same.
func TestCallsUnreached(t *testing.T) {
	tests := []struct {
		name, rule string
		user       codes.Code
		counted    string
	}{
		{"no ready Pod", "  - route: [{destination: {host: web, subset: v3}}]\n", codes.Unavailable, "source 200 grpc 14 UH unknown/latest"},
		{"no such subset", "  - route: [{destination: {host: web, subset: v9}}]\n", codes.Unavailable, "source 200 grpc 14 NC unknown/latest"},
		{"no rule", "  - match: [{uri: {exact: /other}}]\n" + toV1, codes.Unimplemented, "source 200 grpc 12 NR unknown/latest"},
		{"connection refused", "  - name: x\n" + toV2, codes.Unavailable, "source 200 grpc 14 URX,UF unknown/v2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMesh(t, web, virtualService(test.rule))
			delete(m.pods, "10.244.0.3:8080")
			_, err := health.NewHealthClient(m.dialGRPC(t)).Check(t.Context(), &health.HealthCheckRequest{})
			if s := status.Convert(err); s.Code() != test.user || s.Message() == "" {
				t.Errorf("the user got %v, want %v and a reason", err, test.user)
			}
			m.expectCounted(t, test.counted)
		})
	}
}

// TestCallsBreakOff is Pods that reset the stream, before and after they began to
// answer.
func TestCallsBreakOff(t *testing.T) {
	tests := []struct {
		name    string
		pod     http.HandlerFunc
		user    codes.Code
		counted []string
	}{
		{"before headers", hangUp, codes.Unavailable, append(times(3, "destination 200 grpc 14 UR v2/v2"), "source 200 grpc 14 URX v2/v2")},
		{"after headers", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, codes.Internal, []string{"source 200 grpc 2 UR v2/v2", "destination 200 grpc 2 UR v2/v2"}},
		{"not gRPC at all", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
			codes.PermissionDenied, []string{"source 403 grpc 7 - v2/v2", "destination 403 grpc 7 - v2/v2"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMesh(t, web, weights(0, 100))
			m.serve("10.244.0.3:8080", test.pod)
			if got := check(t.Context(), m.dialGRPC(t)); got != test.user {
				t.Errorf("the user got %v, want %v", got, test.user)
			}
			m.expectCounted(t, test.counted...)
		})
	}
}

// A client that gives a call up, and one that ends a stream in peace.
func TestCallsThatClientsEnd(t *testing.T) {
	m := newMesh(t, web, weights(0, 100))
	asked := make(chan struct{}, 1)
	m.serveGRPC(t, "10.244.0.3:8080", &healthPod{
		check: func(ctx context.Context) error { asked <- struct{}{}; <-ctx.Done(); return ctx.Err() },
		watch: func(s health.Health_WatchServer) error {
			_ = s.Send(&health.HealthCheckResponse{})
			<-s.Context().Done()
			return nil
		},
	})
	conn := m.dialGRPC(t)

	ctx, leave := context.WithCancel(t.Context())
	got := make(chan codes.Code, 1)
	go func() { got <- check(ctx, conn) }()
	<-asked
	m.expectCounted(t)
	leave()
	if code := <-got; code != codes.Canceled {
		t.Errorf("the user got %v", code)
	}
	m.expectCounted(t, "source 0 grpc DR unknown/v2", "destination 0 grpc DR v2/v2")

	ctx, leave = context.WithCancel(t.Context())
	stream, err := health.NewHealthClient(conn).Watch(ctx, &health.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	m.expectCounted(t, "source 0 grpc DR unknown/v2", "destination 0 grpc DR v2/v2")
	leave()
	m.expectCounted(t, "source 0 grpc DR unknown/v2", "destination 0 grpc DR v2/v2",
		"source 200 grpc 2 DR v2/v2", "destination 200 grpc 2 DR v2/v2")
}

// The time that a call has travels with it, be it the caller's deadline or the
// route's time-out. So the user, the router and the Pod keep the same time, and any of
// them may be the first to end the call.
func TestCallsOutOfTime(t *testing.T) {
	counted := map[string]bool{
		"source 0 grpc DR unknown/v2": true, "source 200 grpc 4 - v2/v2": true, "source 200 grpc 14 UT unknown/v2": true,
		"source 200 grpc 14 URX v2/v2": true, "source 200 grpc 4 URX v2/v2": true,
		"destination 0 grpc DR v2/v2": true, "destination 200 grpc 4 - v2/v2": true, "destination 200 grpc 14 UR v2/v2": true,
	}
	tests := []struct {
		name     string
		rule     string
		patience time.Duration
	}{
		{"a deadline of the caller's", "name: x", 500 * time.Millisecond},
		{"one that the route cuts short", "timeout: 500ms", 10 * time.Minute},
		{"the route's time-out alone", "timeout: 500ms", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMesh(t, web, virtualService("  - "+test.rule+"\n"+toV2))
			m.serveGRPC(t, "10.244.0.3:8080", &healthPod{check: func(ctx context.Context) error {
				if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > time.Minute {
					return status.Error(codes.FailedPrecondition, "the Pod has not been told how much time it has")
				}
				<-ctx.Done()
				return status.FromContextError(ctx.Err()).Err()
			}})
			conn := m.dialGRPC(t)
			for conn.Connect(); conn.GetState() != connectivity.Ready; {
				conn.WaitForStateChange(t.Context(), conn.GetState())
			}
			ctx := t.Context()
			if test.patience > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, test.patience)
				defer cancel()
			}
			if got := check(ctx, conn); got != codes.DeadlineExceeded && got != codes.Unavailable {
				t.Errorf("the user got %v", got)
			}
			waitFor(t, func() bool { return m.count(map[string]string{"reporter": "source"}) == 1 })
			for key := range m.counted() {
				if !counted[key] {
					t.Errorf("counted as %q", key)
				}
			}
		})
	}
}

// A stream goes both ways, and what its client has said so far is said again when
// it is tried again.
func TestBidirectionalCallIsTriedAgain(t *testing.T) {
	m := newMesh(t, web, weights(0, 100))
	var tries atomic.Int64
	heard := make(chan struct{})
	m.serveGRPC(t, "10.244.0.3:8080", &healthPod{}, grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		if tries.Add(1) == 1 {
			<-heard // the client is about to say more
			return status.Error(codes.Unavailable, "not now")
		}
		for {
			var in health.HealthCheckRequest
			if err := s.RecvMsg(&in); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if err := s.SendMsg(&in); err != nil {
				return err
			}
		}
	}))
	stream, err := m.dialGRPC(t).NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/chat.Chat/Chat")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range 5 {
		if err := stream.SendMsg(&health.HealthCheckRequest{Service: fmt.Sprint("line ", i)}); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			close(heard)
		}
		var out health.HealthCheckRequest
		if err := stream.RecvMsg(&out); err != nil {
			t.Fatal(err)
		}
		got = append(got, out.GetService())
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(&health.HealthCheckRequest{}); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ends with %v", err)
	}
	if diff := cmp.Diff([]string{"line 0", "line 1", "line 2", "line 3", "line 4"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	m.expectCounted(t, "source 200 grpc 0 - v2/v2", "destination 200 grpc 14 - v2/v2", "destination 200 grpc 0 - v2/v2")
}
