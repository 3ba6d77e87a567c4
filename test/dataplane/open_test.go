package dataplane

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/test/dataplane/internal/failing"
	"github.com/canaryctl/canaryctl/test/dataplane/internal/mesh"
)

// A canary that hangs is in no counter: its share of the counted requests falls to
// nothing, whatever its weight. Only gauges show what is open.
func TestHangingCountsNothing(t *testing.T) {
	b := lay(t)
	const n = 100
	ask := request{name: "hanging", route: "split", fail: failing.Hang + "@v2"}
	ctx, leave := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	send := http1(b.client)
	for range n {
		sending.Go(func() { send(ctx, ask) })
	}
	good := mesh.Labels{Reporter: "source", Version: "v1", Revision: "v1", Code: "200", Flags: "-"}
	takenIn := good
	takenIn.Reporter = "destination"
	hanging := 0
	eventually(t, func(ctx context.Context) string {
		active, err := b.client.Active(ctx, "v2")
		if err != nil {
			return err.Error()
		}
		got, err := b.counted(ctx, ask.name)
		if err != nil {
			return err.Error()
		}
		hanging = active
		if hanging == 0 {
			return "no request is open at v2"
		}
		return cmp.Diff(counts{good: n - hanging, takenIn: n - hanging}, got)
	})

	leave()
	sending.Wait()
	b.hasCounted(t, ask, counts{good: n - hanging, takenIn: n - hanging,
		unanswered("0", "DC", ""): hanging, received("0", "DC", ""): hanging})
}

// What a connection pool has no room for was sent to no Pod: the sender knows
// neither the version nor an endpoint.
func TestOverflow(t *testing.T) {
	b := lay(t)
	ctx, leave := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	defer sending.Wait()
	defer leave()
	send := http1(b.client)
	hang := func(active int) {
		sending.Go(func() { send(ctx, request{name: "filling", route: "full", fail: failing.Hang}) })
		eventually(t, func(ctx context.Context) string { return isActive(ctx, b.client, active) })
	}
	hang(1) // takes the one connection

	failure{
		ask: request{name: "overflow", route: "full"}, sees: "503",
		counts: counts{nowhere("503", "UO", ""): 1},
	}.try(t, b, send)
}

func isActive(ctx context.Context, s *mesh.Sidecar, want int) string {
	got, err := s.Active(ctx, "full")
	if err != nil {
		return err.Error()
	}
	if got != want {
		return fmt.Sprintf("%d requests are open, want %d", got, want)
	}
	return ""
}
