package lease_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/lease"
)

func TestAcquireAndRelease(t *testing.T) {
	s := kubetest.New(t)
	jane, pipeline := newEngine(t, s, "jane@laptop"), newEngine(t, s, "pipeline 7")
	if who, err := jane.View(t.Context()); err != nil || who != (lease.View{}) {
		t.Errorf("before anybody came: %+v, %v", who, err)
	}
	if state, err := jane.Acquire(t.Context()); err != nil || state != "" {
		t.Fatalf("state %q: %v", state, err)
	}
	who, err := pipeline.View(t.Context())
	if diff := cmp.Diff(lease.View{Holder: lease.Holder{Identity: "jane@laptop", Since: start(), Renewed: start()}, Alive: true}, who); diff != "" || err != nil {
		t.Errorf("who drives: %v (-want +got):\n%s", err, diff)
	}
	if err := jane.Release(t.Context(), lease.State{Evidence: "evidence"}); err != nil {
		t.Fatal(err)
	}
	if who, err := pipeline.View(t.Context()); err != nil || who.Alive {
		t.Errorf("after the release: %+v, %v", who, err)
	}
	if state, err := pipeline.Acquire(t.Context()); err != nil || state != "evidence" {
		t.Errorf("the next engine goes on from %q: %v", state, err)
	}
	if err := jane.Release(t.Context(), lease.State{Evidence: "other evidence"}); err != nil || holder(s) != "pipeline 7" || saved(s) != "evidence" {
		t.Errorf("released by one that does not hold it: holder %q, state %q: %v", holder(s), saved(s), err)
	}
	if err := pipeline.Release(t.Context(), lease.State{Evidence: ""}); err != nil || saved(s) != "" {
		t.Errorf("released without a state: state %q: %v", saved(s), err)
	}
}

func TestHeld(t *testing.T) {
	s := kubetest.New(t)
	jane, pipeline := newEngine(t, s, "jane@laptop").acquired(t), newEngine(t, s, "pipeline 7")
	pipeline.clock.Step(4 * time.Second)
	s.ResetRequests()
	_, err := pipeline.Acquire(t.Context())
	var held *lease.HeldError
	if !errors.Is(err, lease.ErrHeld) || !errors.As(err, &held) {
		t.Fatalf("error %v, want ErrHeld", err)
	}
	want := &lease.HeldError{Holder: "jane@laptop", Since: start(), Renewed: start(), Ends: 11 * time.Second}
	if diff := cmp.Diff(want, held); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(err.Error(), "jane@laptop") || !strings.Contains(hint.Of(err), "--take-over") {
		t.Errorf("it says %q, and then %q", err, hint.Of(err))
	}
	if w := writes(s); len(w) != 0 {
		t.Errorf("it wrote %v", w)
	}
	if _, err := jane.Acquire(t.Context()); err != nil {
		t.Errorf("the holder's own: %v", err)
	}
}

// A lease ends by the holder's word and our clock; see TestClocksThatDiffer.
func TestExpiry(t *testing.T) {
	for after, free := range map[time.Duration]bool{
		0: false, 14 * time.Second: false, 15 * time.Second: true, time.Hour: true,
		-time.Minute: false, // we are behind
	} {
		t.Run(after.String(), func(t *testing.T) {
			s := kubetest.New(t)
			newEngine(t, s, "jane@laptop").acquired(t)
			pipeline := newEngine(t, s, "pipeline 7")
			pipeline.clock.Step(after)
			if _, err := pipeline.Acquire(t.Context()); errors.Is(err, lease.ErrHeld) == free || err != nil && free {
				t.Errorf("%s after the last renewal: %v", after, err)
			}
		})
	}
}

func TestClocksThatDiffer(t *testing.T) {
	s := kubetest.New(t)
	jane, pipeline := newEngine(t, s, "jane@laptop").acquired(t), newEngine(t, s, "pipeline 7")
	pipeline.clock.Step(-time.Hour) // so every renewal lies in its future
	refused := func(when string) {
		t.Helper()
		if _, err := pipeline.Acquire(t.Context()); !errors.Is(err, lease.ErrHeld) {
			t.Errorf("%s: %v, want ErrHeld", when, err)
		}
	}
	refused("at first sight")
	pipeline.clock.Step(14 * time.Second)
	refused("just before the end")
	jane.clock.Step(14 * time.Second)
	jane.acquired(t) // renews
	pipeline.clock.Step(14 * time.Second)
	refused("after a renewal")
	pipeline.clock.Step(2 * time.Hour) // from here on it is ahead
	jane.clock.Step(14 * time.Second)
	jane.acquired(t)
	refused("one that it saw renewed, although its clock says long ago")
	pipeline.clock.Step(15 * time.Second)
	if _, err := pipeline.Acquire(t.Context()); err != nil {
		t.Errorf("after 15 s of silence: %v", err)
	}
}

func TestOneOfManyAcquires(t *testing.T) {
	s := kubetest.New(t)
	const many = 10
	errs := make([]error, many)
	var wg sync.WaitGroup
	for i := range many {
		e := newEngine(t, s, fmt.Sprintf("engine %d", i))
		wg.Go(func() { _, errs[i] = e.Acquire(t.Context()) })
	}
	wg.Wait()
	won := 0
	for i, err := range errs {
		switch {
		case err == nil:
			won++
			if want := fmt.Sprintf("engine %d", i); holder(s) != want {
				t.Errorf("%s believes to have the lease that %s has", want, holder(s))
			}
		case !errors.Is(err, lease.ErrHeld):
			t.Errorf("engine %d: %v", i, err)
		}
	}
	if won != 1 {
		t.Errorf("%d engines have the lease, want 1", won)
	}
}

func TestTakeOver(t *testing.T) {
	s := kubetest.New(t)
	jane, pipeline := newEngine(t, s, "jane@laptop").acquired(t), newEngine(t, s, "pipeline 7")
	ended, _ := jane.keep(t, "evidence")
	jane.Save()
	waitFor(t, s, "the evidence", func() bool { return saved(s) == "evidence" })
	state, err := pipeline.TakeOver(t.Context())
	if err != nil || state != "evidence" {
		t.Fatalf("state %q: %v", state, err)
	}
	// No clock moves: it is noticed before the next renewal.
	if err := receive(t, ended, "the loss"); !errors.Is(err, lease.ErrLost) || !strings.Contains(err.Error(), "pipeline 7") {
		t.Errorf("the loss: %v, want ErrLost, by whom", err)
	}
	if err := jane.Release(t.Context(), lease.State{Evidence: ""}); err != nil || holder(s) != "pipeline 7" || saved(s) != "evidence" {
		t.Errorf("who lost it changed it: holder %q, state %q: %v", holder(s), saved(s), err)
	}
	if _, err := newEngine(t, s, "new").TakeOver(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOwner(t *testing.T) {
	s := kubetest.New(t)
	owner := metav1.OwnerReference{APIVersion: "networking.istio.io/v1", Kind: "VirtualService", Name: "echo", UID: "1"}
	l := lease.New(lease.Config{Client: connect(t, s), Namespace: "default", Name: "echo", Identity: "jane@laptop", Owner: &owner})
	if _, err := l.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]metav1.OwnerReference{owner}, object(s).GetOwnerReferences()); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
}

func TestAcquireIsRefused(t *testing.T) {
	s := kubetest.New(t)
	if _, err := newEngine(t, s, "").Acquire(t.Context()); err == nil {
		t.Error("somebody without a name has the lease")
	}
	s.Forbid("create", "leases")
	if _, err := newEngine(t, s, "jane@laptop").Acquire(t.Context()); !apierrors.IsForbidden(err) {
		t.Errorf("without the right: %v", err)
	}
}

func TestObject(t *testing.T) {
	long := strings.Repeat("a", 250)
	for route, want := range map[string]string{"echo": "canaryctl-echo", strings.Repeat("a", 243): "canaryctl-" + strings.Repeat("a", 243)} {
		if got := lease.Object(route, ""); got != want {
			t.Errorf("the lease of %s is %s", route, got)
		}
	}
	a, b := lease.Object(long+"a", ""), lease.Object(long+"b", "")
	if len(a) != 253 || a == b || a != lease.Object(long+"a", "") {
		t.Errorf("the leases of two long names are %s (%d) and %s", a, len(a), b)
	}
}
