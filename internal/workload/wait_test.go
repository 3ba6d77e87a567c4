package workload

import (
	"errors"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

// looking returns a waiter on a canary whose image waits for the given reason,
// and the clock that it goes by.
func looking(t *testing.T, s *kubetest.Server, reason *string) (*waiter, *clocktesting.FakeClock) {
	t.Helper()
	s.RunDeployments(func(string) string { return *reason })
	d := connect(t, s)
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	d.clock = clock
	write(t, d)
	return &waiter{deployments: d, name: "shop-v2", deadline: clock.Now().Add(time.Hour), report: func(Progress) {}}, clock
}

// write sends the canary afresh, so that the server's Deployment controller
// looks at it again.
func write(t *testing.T, d Deployments) {
	t.Helper()
	_, err := d.Delete(t.Context(), "shop-v2", Options{})
	if err == nil {
		_, err = d.Create(t.Context(), canaryOf(t, "shop:v2"), Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAProblemMustLast(t *testing.T) {
	reason := "ErrImagePull" // has a patience of 5 s
	s := kubetest.New(t)
	w, clock := looking(t, s, &reason)
	for _, step := range []struct {
		after  time.Duration
		reason string
		gaveUp bool
	}{
		{0, "ErrImagePull", false},
		{4 * time.Second, "ErrImagePull", false},
		{time.Second / 2, "ContainerCreating", false}, // the second try goes on: patience begins anew
		{time.Second / 2, "ErrImagePull", false},
		{4 * time.Second, "ErrImagePull", false},
		{time.Second, "ErrImagePull", true},
	} {
		clock.Step(step.after)
		if reason != step.reason {
			reason = step.reason
			write(t, w.deployments)
		}
		_, err := w.look(t.Context())
		if got := errors.Is(err, ErrNotReady); got != step.gaveUp || !got && err != nil {
			t.Fatalf("%s after %s: error %v, want one: %t", step.reason, clock.Now().Sub(time.Unix(0, 0)), err, step.gaveUp)
		}
	}
}

func TestAFewFailedLooksAreForgiven(t *testing.T) {
	reason := "ContainerCreating"
	s := kubetest.New(t)
	w, _ := looking(t, s, &reason)
	down := errors.New("etcd is electing a leader")
	failing := true
	s.Fail(func(r kubetest.Request) error {
		if failing && r.Verb == "get" {
			return down
		}
		return nil
	})
	for range 5 {
		if _, err := w.look(t.Context()); err != nil {
			t.Fatalf("a failure that may pass: %v", err)
		}
	}
	failing = false
	if _, err := w.look(t.Context()); err != nil || w.misses != 0 {
		t.Fatalf("a look that succeeds: %v, %d misses", err, w.misses)
	}
	failing = true
	for range 5 {
		if _, err := w.look(t.Context()); err != nil {
			t.Fatalf("a failure that may pass: %v", err)
		}
	}
	if _, err := w.look(t.Context()); err == nil {
		t.Error("the sixth failure in a row was forgiven")
	}
}
