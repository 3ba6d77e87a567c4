package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/status"
	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// An engine that takes its time is no error: what was asked stays in the route.
func TestAwaitIsPatientAndNoMore(t *testing.T) {
	s, server, _, _ := newStatus(t)
	vs := server.Get(kube.VirtualServices(), "default", "shop")
	vs.SetAnnotations(map[string]string{canary.Annotation: `{"stable":"v1","canary":"v2","release":{"id":"r1","wish":"skip","phase":"progressing"}}`})
	server.Put(vs)
	if err := server.Load(`
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: canaryctl-shop}
spec: {holderIdentity: ci-runner-7, leaseDurationSeconds: 15, renewTime: "1970-01-01T00:01:00.000000Z"}
`); err != nil {
		t.Fatal(err)
	}
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	s.f.Clock = clock
	router, route, err := target{vs: "shop"}.find(t.Context(), s.f, false)
	if err != nil || router == nil {
		t.Fatal(err)
	}
	o := &promote{mutation: mutation{f: s.f}}
	type result struct {
		route traffic.Route
		err   error
	}
	done := make(chan result)
	go func() {
		after, err := o.await(t.Context(), route, status.Driver{Name: "ci-runner-7", Alive: true})
		done <- result{after, err}
	}()
	for {
		select {
		case r := <-done:
			if r.err != nil || steer.Last(r.route).Wish != canary.WishSkip {
				t.Errorf("ended with %v, and %+v", r.err, steer.Last(r.route))
			}
			if took := clock.Since(time.Unix(0, 0)); took != wishPatience {
				t.Errorf("it took %s, want %s", took, wishPatience)
			}
			const want = "ci-runner-7 has not done so within 5s; it stays asked"
			if got := s.f.Err.(*bytes.Buffer).String(); !strings.Contains(got, want) {
				t.Errorf("told: %q, want %q", got, want)
			}
			return
		default:
			if clock.HasWaiters() {
				clock.Step(wishEvery)
			}
		}
	}
}
