package lease_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/lease"
)

// leases tells of every write of a Lease.
func leases(s *kubetest.Server) <-chan kubetest.Event {
	events := make(chan kubetest.Event, 1000)
	s.OnWrite(func(e kubetest.Event) {
		if e.Object.GetKind() == "Lease" {
			events <- e
		}
	})
	return events
}

// A steady step costs one write for each renewal, and one watch in all.
func TestKeepRenewsWithTheState(t *testing.T) {
	s := kubetest.New(t)
	jane := newEngine(t, s, "jane@laptop").acquired(t)
	s.ResetRequests()
	events := leases(s)
	_, stop := jane.keep(t, "evidence")
	for range 3 {
		if d := jane.clock.pass(t); d != 5*time.Second {
			t.Errorf("it waits %s for the next renewal, want 5s", d)
		}
		receive(t, events, "a renewal")
		if saved(s) != "evidence" {
			t.Errorf("the state is %q", saved(s))
		}
	}
	stop()
	want := []string{"update leases/canaryctl-echo", "update leases/canaryctl-echo", "update leases/canaryctl-echo"}
	if diff := cmp.Diff(want, writes(s)); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if n := len(s.Requests()) - len(want); n > 1 { // three renewals by a fake clock may be over before the watch begins
		t.Errorf("%d requests beside the renewals, want the watch alone: %v", n, s.Requests())
	}
	who, err := newEngine(t, s, "").View(t.Context())
	if diff := cmp.Diff(lease.Holder{Identity: "jane@laptop", Since: start(), Renewed: start().Add(15 * time.Second)}, who.Holder); diff != "" || err != nil {
		t.Errorf("who drives: %v (-want +got):\n%s", err, diff)
	}
}

func TestKeepEndsWithItsContext(t *testing.T) {
	s := kubetest.New(t)
	jane := newEngine(t, s, "jane@laptop").acquired(t)
	ended, stop := jane.keep(t, "")
	receive(t, jane.clock.waits, "the first wait")
	stop()
	if err := receive(t, ended, "the end"); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	if holder(s) != "jane@laptop" {
		t.Error("it gave the lease up")
	}
}

func TestKeepOutlivesFaults(t *testing.T) {
	for name, fault := range map[string]func(*kubetest.Server){
		"hangs up":        func(s *kubetest.Server) { s.CutAfter(0, false) },
		"internal errors": func(s *kubetest.Server) { s.Fail(func(kubetest.Request) error { return errors.New("no leader") }) },
		"too many requests": func(s *kubetest.Server) {
			s.Fail(func(kubetest.Request) error { return apierrors.NewTooManyRequests("", 0) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New(t)
			jane := newEngine(t, s, "jane@laptop").acquired(t)
			events := leases(s)
			ended, _ := jane.keep(t, "evidence")
			fault(s)
			for range 5 { // at 5, 6, 7, 8 and 9 seconds
				jane.clock.pass(t)
			}
			receive(t, jane.clock.waits, "the wait after the last failure")
			s.Heal()
			jane.clock.Step(time.Second)
			receive(t, events, "the renewal")
			fault(s)
			for range 30 { // twice as long as the lease lasts
				jane.clock.pass(t)
			}
			receive(t, jane.clock.waits, "the wait after the last failure")
			s.Heal()
			jane.clock.Step(time.Second)
			receive(t, events, "the renewal of a lease that nobody took")
			select {
			case err := <-ended:
				t.Errorf("it ended: %v", err)
			default:
			}
		})
	}
}

// A renewal whose answer is lost has happened.
func TestKeepOutlivesALostAnswer(t *testing.T) {
	s := kubetest.New(t)
	jane := newEngine(t, s, "jane@laptop").acquired(t)
	events := leases(s)
	watching := make(chan kubetest.Request, 10)
	s.OnWatch(func(r kubetest.Request) { watching <- r })
	_, _ = jane.keep(t, "evidence")
	receive(t, jane.clock.waits, "the first wait")
	receive(t, watching, "the watch, which must not use up what may pass")
	s.CutAfter(1, true)
	jane.clock.Step(5 * time.Second)
	receive(t, events, "the renewal that was carried out")
	receive(t, jane.clock.waits, "the wait after it")
	s.Heal()
	jane.clock.Step(5 * time.Second)
	receive(t, events, "the next")
	if holder(s) != "jane@laptop" {
		t.Errorf("the lease is %s's", holder(s))
	}
}

func TestKeepAndOthersWrites(t *testing.T) {
	s := kubetest.New(t)
	jane := newEngine(t, s, "jane@laptop").acquired(t)
	_, _ = jane.keep(t, "evidence")
	labelled := object(s)
	labelled.SetLabels(map[string]string{"team": "payments"})
	s.Put(labelled)
	jane.Save()
	waitFor(t, s, "a renewal after somebody's label", func() bool { return saved(s) == "evidence" })
	if object(s).GetLabels()["team"] != "payments" {
		t.Error("somebody's label is lost")
	}
	s.Delete(kube.Leases(), "default", "canaryctl-echo")
	waitFor(t, s, "a lease in place of the deleted one", func() bool { return holder(s) == "jane@laptop" && saved(s) == "evidence" })
}

// An hour that is skipped, as by a laptop that slept, is no reason to stop where
// nobody else has taken the lease.
func TestKeepOutlivesAJumpOfTheClock(t *testing.T) {
	s := kubetest.New(t)
	jane := newEngine(t, s, "jane@laptop").acquired(t)
	events := leases(s)
	ended, _ := jane.keep(t, "evidence")
	receive(t, jane.clock.waits, "the first wait")
	jane.clock.Step(time.Hour)
	receive(t, events, "a renewal")
	receive(t, jane.clock.waits, "the next wait")
	select {
	case err := <-ended:
		t.Errorf("it ended: %v", err)
	default:
	}
	if _, err := newEngine(t, s, "pipeline 7").Acquire(t.Context()); !errors.Is(err, lease.ErrHeld) {
		t.Errorf("renewed by a clock that is ahead: %v, want ErrHeld", err)
	}
}

func TestStateTooLarge(t *testing.T) {
	s := kubetest.New(t)
	jane := newEngine(t, s, "jane@laptop").acquired(t)
	large := strings.Repeat("x", lease.MaxState+1)
	ended, _ := jane.keep(t, large)
	jane.Save()
	if err := receive(t, ended, "the refusal"); !errors.Is(err, lease.ErrTooLarge) || errors.Is(err, lease.ErrLost) {
		t.Errorf("error %v, want ErrTooLarge and nothing lost", err)
	}
	_, stop := jane.keep(t, large[1:])
	jane.Save()
	waitFor(t, s, "the smaller state", func() bool { return len(saved(s)) == lease.MaxState })
	stop()
	if err := jane.Release(t.Context(), lease.State{Evidence: large}); !errors.Is(err, lease.ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
	if err := jane.Release(t.Context(), lease.State{Evidence: "small"}); err != nil || holder(s) != "" || saved(s) != "small" {
		t.Errorf("holder %q, state %q: %v", holder(s), saved(s), err)
	}
}

func TestWaitUntilReleased(t *testing.T) {
	s := kubetest.New(t)
	jane, pipeline := newEngine(t, s, "jane@laptop").acquired(t), newEngine(t, s, "pipeline 7")
	told, got := pipeline.wait(t)
	if held := receive(t, told, "who drives"); held.Holder != "jane@laptop" {
		t.Errorf("%s drives", held.Holder)
	}
	if _, err := newEngine(t, s, "joe@laptop").TakeOver(t.Context()); err != nil {
		t.Fatal(err)
	}
	if held := receive(t, told, "who drives then"); held.Holder != "joe@laptop" {
		t.Errorf("%s drives", held.Holder)
	}
	if _, err := jane.TakeOver(t.Context()); err != nil {
		t.Fatal(err)
	}
	receive(t, told, "who drives again")
	if err := jane.Release(t.Context(), lease.State{Evidence: "evidence"}); err != nil {
		t.Fatal(err)
	}
	if r := receive(t, got, "the lease"); r.err != nil || r.state != "evidence" || holder(s) != "pipeline 7" {
		t.Errorf("holder %q, state %q: %v", holder(s), r.state, r.err)
	}
}

func TestWaitUntilTheHolderIsSilent(t *testing.T) {
	s := kubetest.New(t)
	newEngine(t, s, "jane@laptop").acquired(t)
	pipeline := newEngine(t, s, "pipeline 7")
	told, got := pipeline.wait(t)
	receive(t, told, "who drives")
	if d := pipeline.clock.pass(t); d != 15*time.Second {
		t.Errorf("it waits %s, want 15s", d)
	}
	if r := receive(t, got, "the lease"); r.err != nil || holder(s) != "pipeline 7" {
		t.Errorf("holder %q: %v", holder(s), r.err)
	}
}

func TestWaitOutlivesFaults(t *testing.T) {
	s := kubetest.New(t)
	newEngine(t, s, "jane@laptop").acquired(t)
	pipeline := newEngine(t, s, "pipeline 7")
	told, got := pipeline.wait(t)
	receive(t, told, "who drives")
	s.Fail(func(kubetest.Request) error { return errors.New("no leader") })
	pipeline.clock.pass(t)
	receive(t, pipeline.clock.waits, "another try")
	s.Heal()
	pipeline.clock.Step(time.Second)
	if r := receive(t, got, "the lease"); r.err != nil || holder(s) != "pipeline 7" {
		t.Errorf("holder %q: %v", holder(s), r.err)
	}
}

type acquired struct {
	state string
	err   error
}

func (e engine) wait(t *testing.T) (<-chan lease.HeldError, <-chan acquired) {
	t.Helper()
	told, got, over := make(chan lease.HeldError, 10), make(chan acquired, 1), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(over)
		state, err := e.Wait(ctx, func(h lease.HeldError) { told <- h })
		got <- acquired{state, err}
	}()
	t.Cleanup(func() {
		cancel()
		<-over
	})
	return told, got
}

// The Role that canaryctl ships is enough.
func TestRole(t *testing.T) {
	role, err := os.ReadFile("../../k8s/rbac/role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := kubetest.New(t)
	if err := s.Allow(string(role)); err != nil {
		t.Fatal(err)
	}
	jane, pipeline := newEngine(t, s, "jane@laptop").acquired(t), newEngine(t, s, "pipeline 7")
	_, stop := jane.keep(t, "evidence")
	jane.Save()
	waitFor(t, s, "the evidence", func() bool { return saved(s) == "evidence" })
	told, got := pipeline.wait(t)
	receive(t, told, "who drives")
	stop()
	if err := jane.Release(t.Context(), lease.State{Evidence: "evidence"}); err != nil {
		t.Fatal(err)
	}
	if r := receive(t, got, "the lease"); r.err != nil || r.state != "evidence" {
		t.Errorf("state %q: %v", r.state, r.err)
	}
	for _, r := range s.Requests() {
		if r.Verb == "list" {
			t.Errorf("a watch was refused: %v", r)
		}
	}
}
