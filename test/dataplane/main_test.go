// Package dataplane confirms on real software what canaryctl takes for granted about
// the counters of a mesh: istiod and Envoy, as make dataplane brings them.
package dataplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/test/dataplane/internal/failing"
	"github.com/canaryctl/canaryctl/test/dataplane/internal/mesh"
)

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

// bed is a mesh with a client, and with a Pod each of the versions v1 and v2.
type bed struct {
	mesh           mesh.Mesh
	client, v1, v2 *mesh.Sidecar
	app1, app2     *failing.Server
}

// lay starts everything; what it starts ends with the test.
func lay(t *testing.T) *bed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{mesh: mesh.Mesh{Programs: p, Dir: t.TempDir(), Block: block()}}
	istiod, err := mesh.Start(ctx, b.mesh, os.Getenv("STUBKC"), "k8s://")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(istiod.Stop)
	routes, err := os.ReadFile("testdata/routes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.mesh.Apply("routes", routes); err != nil {
		t.Fatal(err)
	}
	b.v1, b.app1 = b.join(ctx, t, "v1")
	b.v2, b.app2 = b.join(ctx, t, "v2")
	gone, _ := b.join(ctx, t, "v3")
	gone.Stop()
	if b.client, err = b.mesh.Client(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.client.Stop)
	return b
}

func (b *bed) join(ctx context.Context, t *testing.T, version string) (*mesh.Sidecar, *failing.Server) {
	t.Helper()
	app, err := failing.Start(ctx, version)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(app.Stop)
	s, err := b.mesh.Join(ctx, mesh.Pod{
		Name: "versioned-echo-" + version, App: "versioned-echo", Version: version, HTTP: app.HTTP, GRPC: app.GRPC,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s, app
}

// eventually waits until a condition holds, and says what was wrong last where it
// does not within ten seconds.
func eventually(t *testing.T, wrong func(context.Context) string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		last := wrong(ctx)
		if last == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Error(last)
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// counted is what all Envoys have counted of a case.
func (b *bed) counted(ctx context.Context, name string) (map[mesh.Labels]int, error) {
	var all []map[mesh.Labels]int
	for _, s := range []*mesh.Sidecar{b.client, b.v1, b.v2} {
		one, err := s.Requests(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("case %s: %w", name, err)
		}
		all = append(all, one)
	}
	return mesh.Add(all...), nil
}
