package dataplane

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/test/dataplane/internal/mesh"
)

// cluster is the lab's API server and its Pods, with an istiod that reads their route
// there and an Envoy in every Pod, and a Prometheus that reads the Envoys.
type cluster struct {
	bin        string // the project's own programs
	kubeconfig string
	client     *mesh.Sidecar
	prometheus string // URL
}

// boot starts everything; what it starts ends with the test.
func boot(t *testing.T) *cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	p, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	m := mesh.Mesh{Programs: p, Dir: dir, Block: block()}
	c := &cluster{bin: filepath.Dir(filepath.Dir(p.Envoy)), kubeconfig: filepath.Join(dir, "lab", "kubeconfig")}
	pod := c.image(ctx, t, m)
	lab := []string{"--state-dir", filepath.Join(dir, "lab")}
	t.Cleanup(func() { c.must(context.WithoutCancel(ctx), t, "canary-lab", append(lab, "down")...) })
	c.must(ctx, t, "canary-lab", append(lab, "up", "--detach",
		"--image", "versioned-echo:v1="+pod, "--image", "versioned-echo:v2="+pod)...)

	istiod, err := mesh.Start(ctx, m, c.kubeconfig, "k8s://")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(istiod.Stop)
	observer, err := m.Observe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(observer.Stop)
	c.prometheus = observer.URL
	c.must(ctx, t, "kubectl", "apply", "-f", "../../k8s/base")
	c.must(ctx, t, "kubectl", "rollout", "status", "deploy/versioned-echo-v1", "--timeout=1m")
	if c.client, err = m.Client(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.client.Stop)
	return c
}

// image makes a program that stands for the image versioned-echo: cmd/pod, which
// knows the mesh.
func (c *cluster) image(ctx context.Context, t *testing.T, m mesh.Mesh) string {
	t.Helper()
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	where := filepath.Join(m.Dir, "mesh.json")
	pod := filepath.Join(m.Dir, "pod")
	script := fmt.Sprintf("#!/bin/sh\nexec %s %s %s\n", pod, where, filepath.Join(c.bin, "versioned-echo"))
	build := exec.CommandContext(ctx, "go", "build", "-o", pod, "./cmd/pod")
	out, err := build.CombinedOutput()
	err = errors.Join(err,
		os.WriteFile(where, text, 0o600),
		os.WriteFile(pod+".sh", []byte(script), 0o700)) //nolint:gosec // a program
	if err != nil {
		t.Fatalf("make the image: %v\n%s", err, out)
	}
	return pod + ".sh"
}

// run runs one of the project's programs, and returns what it said and its status.
func (c *cluster) run(ctx context.Context, name string, args ...string) (string, int) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, name), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig, "NO_COLOR=1")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(&said, err)
	}
	return said.String(), cmd.ProcessState.ExitCode()
}

func (c *cluster) must(ctx context.Context, t *testing.T, name string, args ...string) {
	t.Helper()
	if said, status := c.run(ctx, name, args...); status != 0 {
		t.Fatalf("%s %q ended with %d:\n%s", name, args, status, said)
	}
}
