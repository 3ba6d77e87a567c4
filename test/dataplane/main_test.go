// Package dataplane confirms on real software what canaryctl takes for granted about
// the counters of a mesh: istiod and Envoy, as make dataplane brings them.
package dataplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/test/dataplane/internal/mesh"
)

// TestDataplane starts the software once for all its parts.
func TestDataplane(t *testing.T) {
	p := boot(t)
	t.Run("counts", func(t *testing.T) {
		b := lay(t, p)
		t.Run("failures", b.testFailures)
		t.Run("hanging", b.testHanging)
		t.Run("overflow", b.testOverflow)
		t.Run("streams count at their end", b.testStreamsCountAtTheirEnd)
		t.Run("upgrades count at their end", b.testUpgradesCountAtTheirEnd)
		t.Run("streams stay", b.testStreamsStay)
		t.Run("hanging fills the connection", b.testHangingFillsTheConnection) // and ends v2
	})
	t.Run("releases", p.testReleases)
}

// plane is the lab's API server, an istiod that reads routes there, and the client's
// Envoy.
type plane struct {
	mesh       mesh.Mesh
	client     *mesh.Sidecar
	bin        string // the folder of the project's own programs
	kubeconfig string
}

// boot starts everything; what it starts ends with the test.
func boot(t *testing.T) *plane {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	real, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := &plane{
		mesh:       mesh.Mesh{Programs: real, Dir: dir, Block: block()},
		bin:        filepath.Dir(filepath.Dir(real.Envoy)),
		kubeconfig: filepath.Join(dir, "lab", "kubeconfig"),
	}
	p.lab(ctx, t)
	istiod, err := mesh.Start(ctx, p.mesh, p.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(istiod.Stop)
	for _, app := range []string{"failing", "versioned-echo"} {
		if err := p.mesh.Serve(app); err != nil {
			t.Fatal(err)
		}
	}
	if p.client, err = p.mesh.Client(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.client.Stop)
	return p
}

// programs says where make dataplane has put the real software.
func programs() (mesh.Programs, error) {
	bin := os.Getenv("DATAPLANE_BIN")
	if bin == "" {
		return mesh.Programs{}, errors.New("DATAPLANE_BIN names no folder: run make dataplane")
	}
	return mesh.Programs{
		Istiod:     filepath.Join(bin, "pilot-discovery"),
		Envoy:      filepath.Join(bin, "envoy"),
		Prometheus: filepath.Join(bin, "prometheus"),
	}, nil
}

// block is that part of 127.0.0.0/8 that this process takes its addresses from, so
// that another run beside it has its own.
func block() int { return 1 + os.Getpid()%250 }

// lab starts an API server and a node, whose image versioned-echo is cmd/pod.
func (p *plane) lab(ctx context.Context, t *testing.T) {
	t.Helper()
	pod := p.image(ctx, t)
	state := filepath.Dir(p.kubeconfig)
	t.Cleanup(func() { p.must(context.WithoutCancel(ctx), t, "canary-lab", "down", "--state-dir", state) })
	p.must(ctx, t, "canary-lab", "up", "--detach", "--state-dir", state,
		"--image", "versioned-echo:v1="+pod, "--image", "versioned-echo:v2="+pod)
}

// run runs one of the project's programs, and returns what it said and its status.
func (p *plane) run(ctx context.Context, name string, args ...string) (string, int) {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, name), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+p.kubeconfig, "NO_COLOR=1")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(&said, err)
	}
	return said.String(), cmd.ProcessState.ExitCode()
}

func (p *plane) must(ctx context.Context, t *testing.T, name string, args ...string) {
	t.Helper()
	if said, status := p.run(ctx, name, args...); status != 0 {
		t.Fatalf("%s %q ended with %d:\n%s", name, args, status, said)
	}
}

// eventually waits until nothing is wrong, and says what was wrong last where
// something still is after ten seconds.
func eventually(t *testing.T, wrong func(context.Context) string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for last := ""; ; {
		now := wrong(ctx)
		if now == "" {
			return
		}
		if ctx.Err() == nil {
			last = now
		}
		select {
		case <-ctx.Done():
			t.Error(last)
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}
