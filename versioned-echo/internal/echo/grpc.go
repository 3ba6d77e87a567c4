package echo

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/canaryctl/canaryctl/versioned-echo/internal/echopb"
)

// grpcService answers over gRPC what the HTTP routes answer.
type grpcService struct {
	echopb.UnimplementedEchoServer
	version, pod string
}

// Echo answers at once.
func (g *grpcService) Echo(_ context.Context, r *echopb.EchoRequest) (*echopb.EchoResponse, error) {
	return g.answer(r.GetMessage()), nil
}

// The times between two answers of a stream.
const (
	defaultInterval = time.Second
	minInterval     = time.Millisecond // nobody asks for a flood by mistake
)

// Repeat answers until it has done so as often as asked, or the client ends it.
func (g *grpcService) Repeat(r *echopb.RepeatRequest, stream grpc.ServerStreamingServer[echopb.EchoResponse]) error {
	interval := defaultInterval
	if r.GetInterval() != nil {
		interval = max(minInterval, r.GetInterval().AsDuration())
	}
	for n := uint32(1); ; n++ {
		err := stream.Send(g.answer(r.GetMessage()))
		switch {
		case err == nil && n == r.GetCount():
			return nil
		case err == nil && sleep(stream.Context(), interval):
			continue
		}
		// A client that leaves while an answer is on its way to it makes Send fail with
		// Unavailable, which would be the service's fault in its own counts.
		if left := stream.Context().Err(); left != nil {
			return status.FromContextError(left).Err()
		}
		return err
	}
}

func (g *grpcService) answer(message string) *echopb.EchoResponse {
	return &echopb.EchoResponse{Version: g.version, Pod: g.pod, Message: message}
}

// newGRPC makes the gRPC side of the service: Echo, counted and with the
// faults, and the standard health service.
func newGRPC(cfg Config, m *meter) (*grpc.Server, *health.Server) {
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(m.grpc.UnaryServerInterceptor(), unaryHarm),
		grpc.ChainStreamInterceptor(m.grpc.StreamServerInterceptor(), streamHarm),
	)
	echopb.RegisterEchoServer(server, &grpcService{version: cfg.Version, pod: cfg.Pod})
	h := health.NewServer()
	healthpb.RegisterHealthServer(server, h)
	return server, h
}

// tellHealth says over gRPC what /health says.
func (s *Server) tellHealth() {
	state := healthpb.HealthCheckResponse_SERVING
	if _, ok := s.state(); !ok {
		state = healthpb.HealthCheckResponse_NOT_SERVING
	}
	for _, service := range []string{"", echopb.Echo_ServiceDesc.ServiceName} {
		s.checks.SetServingStatus(service, state)
	}
}

// forUsers tells calls that are traffic from calls to the health service.
func forUsers(path string) bool {
	return strings.HasPrefix(path, "/"+echopb.Echo_ServiceDesc.ServiceName+"/")
}

// unaryHarm applies the harm in a call's context, as far as a handler can.
func unaryHarm(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	h := harmOf(ctx)
	if h.GRPCWhen == AfterMessages {
		h.GRPCWhen = AfterHeaders
	}
	if err := h.before(ctx, func() error { return grpc.SendHeader(ctx, nil) }); err != nil {
		return nil, err
	}
	return handle(ctx, request)
}

func streamHarm(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	h := harmOf(stream.Context())
	if err := h.before(stream.Context(), func() error { return stream.SendHeader(nil) }); err != nil {
		return err
	}
	if err := handle(service, stream); err != nil || h.failure != refused {
		return err
	}
	return refusal(h)
}

// before is what happens to a call before its handler runs.
func (h harm) before(ctx context.Context, sendHeader func() error) error {
	if h.wait > 0 && !sleep(ctx, h.wait) {
		return status.FromContextError(ctx.Err()).Err()
	}
	switch {
	case h.failure == hanging:
		<-ctx.Done()
		return status.FromContextError(ctx.Err()).Err()
	case h.failure == refused && h.GRPCWhen == TrailersOnly:
		return refusal(h)
	case h.failure == refused && h.GRPCWhen == AfterHeaders:
		if err := sendHeader(); err != nil {
			return err
		}
		return refusal(h)
	}
	return nil
}

func refusal(h harm) error { return status.Error(h.GRPCStatus, "injected fault") }
