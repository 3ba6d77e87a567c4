// Pod is what the lab runs in the place of the image versioned-echo: the real
// versioned-echo, and beside it the Envoy that makes its Pod one of the mesh. So
// Pods come and go as the API server has them.
//
//	pod MESH.JSON VERSIONED-ECHO
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/canaryctl/canaryctl/test/dataplane/internal/mesh"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pod:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want the mesh and the application, got %q", args)
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	var m mesh.Mesh
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("read %s: %w", args[0], err)
	}
	app := exec.CommandContext(ctx, args[1])
	app.Cancel = func() error { return app.Process.Signal(syscall.SIGTERM) }
	app.Stdout, app.Stderr = os.Stdout, os.Stderr
	app.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := app.Start(); err != nil {
		return err
	}
	at := "127.0.0.1:" + os.Getenv("PORT") // the lab's port for this Pod
	sidecar, err := m.Join(ctx, mesh.Pod{
		Name: os.Getenv("POD_NAME"), App: "versioned-echo", Version: os.Getenv("APP_VERSION"), HTTP: at, GRPC: at,
	})
	if err != nil {
		return err
	}
	ended := app.Wait()
	if err := sidecar.Leave(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil // it was asked to end
	}
	return ended
}
