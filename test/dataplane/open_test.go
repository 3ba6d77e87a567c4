package dataplane

import (
	"context"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/test/dataplane/internal/failing"
	"github.com/canaryctl/canaryctl/test/dataplane/internal/mesh"
)

// open sends requests that stay open until it is ended, which their users then leave.
func open(t *testing.T, send user, n int, r request) (end func()) {
	ctx, leave := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	for range n {
		sending.Go(func() { send(ctx, r) })
	}
	return func() {
		leave()
		sending.Wait()
	}
}

// A canary that hangs is in no counter: its share of the counted requests falls to
// nothing, whatever its weight. Only gauges show what is open.
func (b *bed) testHanging(t *testing.T) {
	const n = 100
	ask := request{name: "hanging", route: "split", fail: failing.Hang + "@v2"}
	leave := open(t, http1(b.client), n, ask)
	defer leave()
	sent := mesh.Labels{Reporter: "source", Version: "v1", Revision: "v1", Code: "200", Flags: "-"}
	taken := mesh.Labels{Reporter: "destination", Version: "v1", Revision: "v1", Code: "200", Flags: "-"}
	hanging := 0
	eventually(t, func(ctx context.Context) (wrong string) {
		var err error
		if hanging, err = b.client.Gauge(ctx, mesh.Active, "v2"); err != nil {
			return err.Error()
		}
		got, err := b.counted(ctx, ask)
		if err != nil {
			return err.Error()
		}
		if hanging == 0 {
			return "no request is open at v2"
		}
		return cmp.Diff(counts{sent: n - hanging, taken: n - hanging}, got)
	})

	leave()
	b.hasCounted(t, ask, counts{sent: n - hanging, taken: n - hanging,
		unanswered("0", "DC", ""): hanging, received("0", "DC", ""): hanging})
}

// What a connection pool has no room for was sent to no Pod: the sender knows
// neither the version nor an endpoint.
func (b *bed) testOverflow(t *testing.T) {
	send := http1(b.client)
	filling := request{name: "filling", route: "full", fail: failing.Hang}
	defer open(t, send, 1, filling)() // takes the one connection
	b.isOpen(t, mesh.Active, "full", 1)
	defer open(t, send, 1, filling)() // waits for it
	b.isOpen(t, mesh.Pending, "full", 1)

	failure{
		ask: request{name: "overflow", route: "full"}, sees: "503",
		counts: counts{nowhere("503", "UO", ""): 1},
	}.try(t, b, send)
}
