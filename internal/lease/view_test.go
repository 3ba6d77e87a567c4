package lease_test

import (
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/lease"
)

// Who looks on believes in a driver as long as it renews, also where its clock is behind,
// and in no other for longer than its lease.
func TestAwaitRenewal(t *testing.T) {
	for name, test := range map[string]struct {
		ahead  time.Duration // the onlooker's clock, against the driver's
		renews bool
	}{
		"it renews":                            {0, true},
		"it renews, by a clock that is behind": {10 * time.Second, true},
		"it was killed":                        {0, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New(t)
			jane, looker := newEngine(t, s, "jane@laptop").acquired(t), newEngine(t, s, "")
			looker.clock.Step(test.ahead)
			waited := make(chan lease.View, 1)
			type result struct {
				lease.View
				err error
			}
			done := make(chan result, 1)
			go func() {
				v, err := looker.AwaitRenewal(t.Context(), func(v lease.View) { waited <- v })
				done <- result{v, err}
			}()
			if v := <-waited; v.Identity != "jane@laptop" || !v.Alive {
				t.Errorf("it waits for %+v", v)
			}
			if test.renews {
				jane.clock.Step(5 * time.Second)
				if _, err := jane.Acquire(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for passed := time.Duration(0); ; passed += 500 * time.Millisecond {
				if passed > time.Minute {
					t.Fatal("it waits for ever")
				}
				select {
				case r := <-done:
					if r.err != nil || r.Alive != test.renews || r.Identity != "jane@laptop" {
						t.Errorf("after %s: %+v", passed, r)
					}
					return
				default:
				}
				if looker.clock.HasWaiters() {
					looker.clock.Step(500 * time.Millisecond)
				} else {
					passed -= 500 * time.Millisecond
					time.Sleep(time.Millisecond) // until it waits, or is done
				}
			}
		})
	}
}
