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

func TestFailedLooksAreForgivenForAWhile(t *testing.T) {
	reason := "ContainerCreating"
	s := kubetest.New(t)
	w, clock := looking(t, s, &reason)
	failing := true
	s.Fail(func(r kubetest.Request) error {
		if failing && r.Verb == "get" {
			return errors.New("etcd is electing a leader")
		}
		return nil
	})
	for _, step := range []struct {
		after           time.Duration
		failing, gaveUp bool
	}{
		{0, true, false},
		{9 * time.Second, true, false},
		{time.Second / 2, false, false}, // it answers again: the next failure is a first one
		{time.Second, true, false},
		{9 * time.Second, true, false},
		{time.Second, true, true},
	} {
		clock.Step(step.after)
		failing = step.failing
		if _, err := w.look(t.Context()); (err != nil) != step.gaveUp {
			t.Fatalf("at %s: error %v, want one: %t", clock.Now().Sub(time.Unix(0, 0)), err, step.gaveUp)
		}
	}
}
