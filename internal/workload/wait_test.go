package workload

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

// looking returns a waiter that has seen a canary, which Pods waiting for the
// given reason never let become ready, and the clock that it goes by.
func looking(t *testing.T, s *kubetest.Server) (*waiter, *clocktesting.FakeClock) {
	t.Helper()
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	d := connect(t, s)
	d.clock = clock
	return &waiter{
		deployments: d, name: "shop-v2", deadline: clock.Now().Add(time.Hour), report: func(Progress) {},
		watches: newWatches(), following: true, counted: true,
	}, clock
}

// see has the cluster try the canary's image, whose containers then wait for the
// reason, and lets the waiter know.
func see(t *testing.T, s *kubetest.Server, w *waiter, reason string) {
	t.Helper()
	if w.deployment == nil || w.deployment.Spec.Template.Spec.Containers[0].Image != reason {
		canary := canaryOf(t, reason)
		canary.SetNamespace("default")
		s.Put(canary)
	}
	deployments, err := typed[appsv1.Deployment](s.List(kube.Deployments(), "default"))
	if err == nil {
		w.deployment = &deployments[0]
		w.pods, err = typed[corev1.Pod](s.List(kube.Pods(), "default"))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAProblemMustLast(t *testing.T) {
	s := kubetest.New(t)
	s.RunDeployments(func(image string) string { return image })
	w, clock := looking(t, s)
	for _, step := range []struct {
		after    time.Duration
		reason   string
		gaveUp   bool
		requests []string
	}{
		{0, "ErrImagePull", false, nil}, // has a patience of 5 s
		{4 * time.Second, "ErrImagePull", false, nil},
		{time.Second / 2, "ContainerCreating", false, nil}, // the second try goes on: patience begins anew
		{time.Second / 4, "ErrImagePull", false, nil},
		{time.Second, "ErrImagePull", false, []string{"list replicasets", "list events"}}, // in doubt for 5 s
		{3 * time.Second, "ErrImagePull", false, nil},
		{time.Second, "ErrImagePull", true, []string{"list replicasets", "list events"}}, // what is believed is fresh
	} {
		clock.Step(step.after)
		see(t, s, w, step.reason)
		s.ResetRequests()
		_, err := w.look(t.Context())
		if got := errors.Is(err, ErrNotReady); got != step.gaveUp || !got && err != nil {
			t.Fatalf("%s after %s: error %v, want one: %t", step.reason, clock.Now().Sub(time.Unix(0, 0)), err, step.gaveUp)
		}
		if diff := cmp.Diff(step.requests, asked(s)); diff != "" {
			t.Errorf("%s after %s: requests (-want +got):\n%s", step.reason, clock.Now().Sub(time.Unix(0, 0)), diff)
		}
	}
}

func asked(s *kubetest.Server) []string {
	var out []string
	for _, r := range s.Requests() {
		out = append(out, r.String())
	}
	return out
}

func TestFailedLooksAreForgivenForAWhile(t *testing.T) {
	s := kubetest.New(t)
	s.RunDeployments(func(image string) string { return image })
	w, clock := looking(t, s)
	see(t, s, w, "ContainerCreating")
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
		w.unknown = nil
		if step.failing {
			w.unknown = fmt.Errorf("etcd is electing a leader")
		}
		if _, err := w.look(t.Context()); (err != nil) != step.gaveUp {
			t.Fatalf("at %s: error %v, want one: %t", clock.Now().Sub(time.Unix(0, 0)), err, step.gaveUp)
		}
	}
}
