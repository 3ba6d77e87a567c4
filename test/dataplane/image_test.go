package dataplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// image makes a program that stands for the image versioned-echo: cmd/pod, which
// knows the mesh.
func (p *plane) image(ctx context.Context, t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(p.mesh)
	if err != nil {
		t.Fatal(err)
	}
	where := filepath.Join(p.mesh.Dir, "mesh.json")
	pod := filepath.Join(p.mesh.Dir, "pod")
	script := fmt.Sprintf("#!/bin/sh\nexec %s %s %s\n", pod, where, filepath.Join(p.bin, "versioned-echo"))
	build := exec.CommandContext(ctx, "go", "build", "-o", pod, "./cmd/pod")
	out, err := build.CombinedOutput()
	err = errors.Join(err,
		os.WriteFile(where, text, 0o600),
		os.WriteFile(pod+".sh", []byte(script), 0o700))
	if err != nil {
		t.Fatalf("make the image: %v\n%s", err, out)
	}
	return pod + ".sh"
}
