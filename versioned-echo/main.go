// Command versioned-echo is the demo service of canaryctl: it says which
// version it is, over HTTP/1.1, HTTP/2 without TLS, gRPC and WebSocket on one
// port, and can be told to misbehave. Everything is set by the environment:
//
//	APP_VERSION          version to answer with (v1)
//	PORT, HOST           where to listen (8080, all interfaces)
//	POD_NAME             name to answer with (the host's name)
//	LOG_LEVEL            debug shows every request; info, warn, error (info)
//	DRAIN_DELAY          how long to keep answering after SIGTERM (3s)
//	DRAIN_TIMEOUT        how long requests in flight may then take (20s)
//
//	FAULT_START_DELAY    time before it listens
//	FAULT_UNHEALTHY      true: /health fails
//	FAULT_CRASH_AFTER    exits with 1 after this time
//	FAULT_ERROR_SHARE    share of HTTP requests, 0 to 1, that get FAULT_ERROR_STATUS (500)
//	FAULT_GRPC_SHARE     share of gRPC calls that get FAULT_GRPC_STATUS (13, or by name)
//	FAULT_GRPC_WHEN      and when: trailers-only (the default), after-headers, after-messages
//	FAULT_HANG_SHARE     share of all requests that are never answered
//	FAULT_BREAK_SHARE    share of all answers that break off in the middle
//	FAULT_RESET_SHARE    share of all requests whose connection is cut without an answer
//	FAULT_ERROR_AFTER    time before failures of any of these kinds begin
//	FAULT_LATENCY        time added to FAULT_LATENCY_SHARE of requests (1: all)
//	FAULTS_ENDPOINT      enabled: GET, PUT and DELETE /faults change the faults at run time
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/canaryctl/canaryctl/versioned-echo/internal/echo"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "versioned-echo:", err)
		os.Exit(1)
	}
}

func run() error {
	cfg, err := echo.FromEnv(os.LookupEnv)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: cfg.LogLevel}))
	return echo.New(cfg, log).Run(ctx)
}
