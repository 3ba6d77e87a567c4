package dataplane

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/test/dataplane/internal/failing"
	"github.com/canaryctl/canaryctl/test/dataplane/internal/mesh"
)

// bed is a service whose requests fail as they are asked to, with a Pod each of the
// versions v1 and v2.
type bed struct {
	*plane
	v1, v2     *mesh.Sidecar
	app1, app2 *failing.Server
}

// lay brings the Pods; they leave with the test.
func lay(t *testing.T, p *plane) *bed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b := &bed{plane: p}
	b.route(t, "testdata/routes.yaml")
	b.v1, b.app1 = b.join(ctx, t, "v1")
	b.v2, b.app2 = b.join(ctx, t, "v2")
	gone, _ := b.join(ctx, t, "v3")
	gone.Stop()
	return b
}

// route has istiod read a file of routes, in the place of an earlier one.
func (b *bed) route(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.mesh.Apply("routes", text); err != nil {
		t.Fatal(err)
	}
}

// sendsTo waits until requests without a header go to an application.
func (b *bed) sendsTo(t *testing.T, app *failing.Server) {
	t.Helper()
	send := http1(b.client)
	eventually(t, func(ctx context.Context) string {
		before := app.Handled()
		if got := send(ctx, request{name: "probe"}); got != "200" {
			return "a request got " + got
		}
		if app.Handled() == before {
			return "requests go to the other version"
		}
		return ""
	})
}

func (b *bed) join(ctx context.Context, t *testing.T, version string) (*mesh.Sidecar, *failing.Server) {
	t.Helper()
	app, err := failing.Start(ctx, version)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(app.Stop)
	s, err := b.mesh.Join(ctx, mesh.Pod{
		Name: "failing-" + version, App: "failing", Version: version, HTTP: app.HTTP, GRPC: app.GRPC,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s, app
}

type counts = map[mesh.Labels]int

// counted is what all Envoys have counted of a request's kind.
func (b *bed) counted(ctx context.Context, r request) (counts, error) {
	var all []counts
	for _, s := range []*mesh.Sidecar{b.client, b.v1, b.v2} {
		one, err := s.Requests(ctx, r.name)
		if err != nil {
			return nil, fmt.Errorf("case %s: %w", r.name, err)
		}
		all = append(all, one)
	}
	return mesh.Add(all...), nil
}

// hasCounted waits for the counts of a request.
func (b *bed) hasCounted(t *testing.T, r request, want counts) {
	t.Helper()
	eventually(t, func(ctx context.Context) string {
		got, err := b.counted(ctx, r)
		if err != nil {
			return err.Error()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Sprintf("%s (-want +got):\n%s", r.name, diff)
		}
		return ""
	})
}

// isOpen waits for the value of a gauge of a subset.
func (b *bed) isOpen(t *testing.T, gauge, subset string, want int) {
	t.Helper()
	eventually(t, func(ctx context.Context) string {
		got, err := b.client.Gauge(ctx, gauge, subset)
		if err != nil {
			return err.Error()
		}
		if got != want {
			return fmt.Sprintf("%s of %s is %d, want %d", gauge, subset, got, want)
		}
		return ""
	})
}
