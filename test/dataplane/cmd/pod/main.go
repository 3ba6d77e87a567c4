// Pod is what the lab runs in the place of the image versioned-echo: the real
// versioned-echo, and beside it the Envoy that makes its Pod one of the mesh. So
// Pods come and go as the API server has them.
//
//	pod MESH.JSON VERSIONED-ECHO
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/canaryctl/canaryctl/test/dataplane/internal/mesh"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
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
	// As in Kubernetes, a Pod that is to end gets no new requests while it drains.
	withdrawing := context.AfterFunc(ctx, func() { _ = sidecar.Withdraw() })
	ended := app.Wait()
	sidecar.Stop()
	if asked := !withdrawing(); asked {
		return nil
	}
	return errors.Join(ended, sidecar.Withdraw())
}
