#!/usr/bin/env bash
# google.golang.org/grpc 1.85.0 with the Prometheus provider of go-grpc-middleware 1.1.1:
# a client that leaves a stream while the handler sends to it is counted as Canceled by a
# server with a listener of its own (Serve), but as Unavailable, the server's own fault,
# by the same server behind net/http (ServeHTTP, as one does to share a port). The
# handler only hands on what Send gave it.
#
# So on a shared port an alarm on grpc_server_handled_total{grpc_code="Unavailable"}
# rings for users who closed a page.
#
# Seen, of 100 streams each, none of which the server ended:
#   Serve:     Canceled 100
#   ServeHTTP: Unavailable 100   (now and then some of them Canceled)
#
# Needs Go and the Go module proxy. Ends with 1 where the behaviour is another.
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sort"
	"time"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

type service struct {
	testpb.UnimplementedTestServiceServer
}

// StreamingOutputCall sends until the client is gone.
func (service) StreamingOutputCall(_ *testpb.StreamingOutputCallRequest, stream testpb.TestService_StreamingOutputCallServer) error {
	for {
		if err := stream.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

const streams = 100

// leave opens the streams one by one, reads one message of each, and leaves.
func leave(serve func(*grpc.Server, net.Listener)) map[string]int {
	counters := grpcprom.NewServerMetrics()
	registry := prometheus.NewRegistry()
	registry.MustRegister(counters)
	server := grpc.NewServer(grpc.StreamInterceptor(counters.StreamServerInterceptor()))
	testpb.RegisterTestServiceServer(server, service{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go serve(server, listener)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	defer conn.Close()
	for range streams {
		ctx, cancel := context.WithCancel(context.Background())
		stream, err := testpb.NewTestServiceClient(conn).StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
		check(err)
		_, err = stream.Recv()
		check(err)
		cancel()
	}
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		counts, all := handled(registry)
		if all == streams || time.Now().After(until) {
			return counts
		}
	}
}

func handled(registry *prometheus.Registry) (map[string]int, int) {
	families, err := registry.Gather()
	check(err)
	counts, all := map[string]int{}, 0
	for _, family := range families {
		if family.GetName() != "grpc_server_handled_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetName() == "grpc_code" {
					counts[label.GetValue()] += int(m.GetCounter().GetValue())
					all += int(m.GetCounter().GetValue())
				}
			}
		}
	}
	return counts, all
}

func tell(name string, counts map[string]int) {
	codes := make([]string, 0, len(counts))
	for code := range counts {
		codes = append(codes, code)
	}
	sort.Strings(codes)
	fmt.Print(name, ":")
	for _, code := range codes {
		fmt.Print(" ", code, " ", counts[code])
	}
	fmt.Println()
}

func main() {
	tell("Serve", leave(func(server *grpc.Server, l net.Listener) { _ = server.Serve(l) }))
	tell("ServeHTTP", leave(func(server *grpc.Server, l net.Listener) {
		var protocols http.Protocols
		protocols.SetUnencryptedHTTP2(true)
		_ = (&http.Server{Handler: server, Protocols: &protocols}).Serve(l)
	}))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
EOF
export GOWORK=off GOFLAGS=-mod=mod
go mod init finding 2>/dev/null
go get google.golang.org/grpc@v1.85.0 github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus@v1.1.1 2>/dev/null
go run . | tee out
if ! grep -qxF 'Serve: Canceled 100' out || ! grep -qE '^ServeHTTP:.* Unavailable [1-9]' out; then
  echo "it is not so any more" >&2
  exit 1
fi
echo "as described"
