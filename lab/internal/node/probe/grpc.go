package probe

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	corev1 "k8s.io/api/core/v1"
)

// grpcCheck asks the standard health service.
//
// https://github.com/grpc/grpc/blob/master/doc/health-checking.md
func grpcCheck(t Target, action *corev1.GRPCAction) Check {
	service := ""
	if action.Service != nil {
		service = *action.Service
	}
	addr := net.JoinHostPort(t.IP, strconv.Itoa(int(action.Port)))
	return func(ctx context.Context) error {
		conn, err := grpc.NewClient("passthrough:///"+addr,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
				return t.Dial(ctx, "tcp", addr)
			}))
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		answer, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: service})
		if err != nil {
			return fmt.Errorf("health rpc probe failed: %w", err)
		}
		if status := answer.GetStatus(); status != healthpb.HealthCheckResponse_SERVING {
			return fmt.Errorf("service unhealthy (responded with %q)", status)
		}
		return nil
	}
}
