package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/canaryctl/canaryctl/test/labtest"
)

// TestTenWriters lets ten set-traffic calls and ten foreign writers of the same
// route race. No update is lost: whoever reported success is in the final
// object, and no version of it ever had weights that do not sum to 100.
func TestTenWriters(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	base(t, ns)
	sh(t, "canaryctl create-canary --app versioned-echo --image versioned-echo:v2 --replicas 1 -n "+ns)
	seen := record(t, ns)

	const writers = 10
	results := make([]labtest.Result, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			results[i] = try(t, fmt.Sprintf("canaryctl set-traffic %d %d --vs %s --host versioned-echo -n %s", 90-i, 10+i, route, ns))
		})
		wg.Go(func() {
			sh(t, fmt.Sprintf("kubectl annotate virtualservice %s -n %s foreign/%d=kept", route, ns, i))
		})
	}
	wg.Wait()

	seen.wantValid(t)
	final, succeeded := weights(t, ns)["v2"], 0
	found := false
	for i, r := range results {
		if r.Code == 0 {
			succeeded++
			found = found || final == 10+i
		}
	}
	if succeeded == 0 || !found {
		t.Errorf("the route ended at v2 = %d; %d writers reported success, none of them with that", final, succeeded)
	}
	got := sh(t, fmt.Sprintf("kubectl get virtualservice %s -n %s -o jsonpath='{.metadata.annotations}'", route, ns)).Stdout
	for i := range writers {
		if want := fmt.Sprintf(`"foreign/%d":"kept"`, i); !strings.Contains(got, want) {
			t.Errorf("lost %s: %s", want, got)
		}
	}
}
