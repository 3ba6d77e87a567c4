package release_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/release"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// TestAPIServerThatCannot refuses every write for a while, just when harm is shown.
func TestAPIServerThatCannot(t *testing.T) { synctest.Test(t, testAPIServerThatCannot) }

func testAPIServerThatCannot(t *testing.T) {
	p := plan()
	p.Steps[0].Min = seconds(60)
	w := newWorld(p)
	w.bad[onTest] = 0.2
	r := w.start(t, p)
	r.until("the first step", r.atWeight(10))
	w.mu.Lock()
	until := time.Now().Add(20 * time.Second)
	w.fault = func() error {
		if time.Now().Before(until) {
			return apierrors.NewServiceUnavailable("it restarts")
		}
		return nil
	}
	w.mu.Unlock()
	result, err := r.ended()
	if err != nil || result.Release.Phase != canary.RolledBack {
		t.Fatalf("%v, %+v", err, result.Release)
	}
	if late := result.Release.Since.Sub(until); late > 2*time.Second {
		t.Errorf("rolled back %s after the API server could again", late)
	}
	if warned := r.heard(event.Warning); len(warned) != 1 {
		t.Errorf("it told:\n%s", r.story())
	}
}

func TestForbiddenWriteEndsTheEngine(t *testing.T) { synctest.Test(t, testForbiddenWriteEndsTheEngine) }

func testForbiddenWriteEndsTheEngine(t *testing.T) {
	p := plan()
	w := newWorld(p)
	w.fault = func() error { return apierrors.NewForbidden(schemaOf("virtualservices"), "shop", errors.New("no")) }
	r := w.start(t, p)
	if _, err := r.ended(); !apierrors.IsForbidden(err) {
		t.Errorf("%v", err)
	}
}

// TestTwoEngines lets both drive, as if there were no lease. Every write is decided
// on what the route says, so that no step is left out or taken twice.
func TestTwoEngines(t *testing.T) { synctest.Test(t, testTwoEngines) }

func testTwoEngines(t *testing.T) {
	p := plan()
	w := newWorld(p)
	one, other := w.start(t, p), w.start(t, p)
	if _, err := one.ended(); err != nil {
		t.Fatal(err)
	}
	if _, err := other.ended(); err != nil {
		t.Fatal(err)
	}
	var steps []canary.Percent
	for _, seen := range w.seen {
		steps = append(steps, seen.Canary)
	}
	if got := fmt.Sprint(steps); got != "[10 50 100]" {
		t.Errorf("weights %s", got)
	}
}

func TestSilence(t *testing.T) { synctest.Test(t, testSilence) }

func testSilence(t *testing.T) {
	p := plan()
	p.Steps[0].Min = seconds(5)
	p.NoData, p.Policy.NoData = seconds(10), canary.RollBack
	w := newWorld(p)
	r := w.start(t, p)
	r.until("the first step", r.atWeight(10))
	w.mu.Lock()
	w.silent = fmt.Errorf("%w: gone", metrics.ErrUnavailable)
	w.mu.Unlock()
	result, err := r.ended()
	if err != nil || result.Release.Phase != canary.RolledBack || !strings.Contains(result.Release.Why, "no counts") {
		t.Errorf("%v, %+v", err, result.Release)
	}
}

func TestGate(t *testing.T) { synctest.Test(t, testGate) }

func testGate(t *testing.T) {
	p := plan()
	p.Steps[1].Gate = "board"
	w := newWorld(p)
	var asked atomic.Int32
	answers := []canary.Gate{canary.GateClosed, canary.GateClosed, canary.GateOpen}
	r := w.start(t, p, func(c *release.Config) {
		c.Ask = func(_ context.Context, name, before string, at event.Event) (canary.Gate, string, error) {
			if name != "board" || before != "step" || at.At.Weight != 10 {
				t.Errorf("asked %s before %s at %s%%", name, before, at.At.Weight)
			}
			return answers[asked.Add(1)-1], "they say so", nil
		}
		c.GateEvery = func(string) time.Duration { return 3 * time.Second }
	})
	result, err := r.ended()
	if err != nil || result.Release.Phase != canary.Promoted || asked.Load() != 3 {
		t.Errorf("%v, asked %d times, %+v", err, asked.Load(), result.Release)
	}
	if told := r.heard(event.Gate); len(told) != 2 { // closed, then open
		t.Errorf("it told:\n%s", r.story())
	}
}

func TestGateThatDenies(t *testing.T) { synctest.Test(t, testGateThatDenies) }

func testGateThatDenies(t *testing.T) {
	p := plan()
	p.Confirm = "board"
	w := newWorld(p)
	r := w.start(t, p, func(c *release.Config) {
		c.Ask = func(_ context.Context, _, before string, _ event.Event) (canary.Gate, string, error) {
			if before != "promotion" {
				t.Errorf("asked before %s", before)
			}
			return canary.GateDenied, "not on a Friday", nil
		}
		c.GateEvery = func(string) time.Duration { return time.Second }
	})
	result, err := r.ended()
	if err != nil || result.Release.Phase != canary.RolledBack {
		t.Errorf("%v, %+v", err, result.Release)
	}
}

func TestInterrupt(t *testing.T) {
	for name, test := range map[string]struct {
		answer canary.Response
		policy canary.Response
		want   canary.Phase
		weight canary.Percent
	}{
		"the plan pauses":       {"", canary.Pause, canary.Paused, 10},
		"the plan rolls back":   {"", canary.RollBack, canary.RolledBack, 0},
		"the person rolls back": {canary.RollBack, canary.Pause, canary.RolledBack, 0},
		"the person pauses":     {canary.Pause, canary.RollBack, canary.Paused, 10},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			p := plan()
			p.Steps[0].Min, p.Policy.Interrupt = seconds(60), test.policy
			w := newWorld(p)
			r := w.start(t, p)
			r.until("the first step", r.atWeight(10))
			r.engine.Interrupt(t.Context(), test.answer)
			result, err := r.ended()
			if err != nil || result.Release.Phase != test.want || w.now().Weights.Canary != test.weight {
				t.Errorf("%v, %+v, weights %s", err, result.Release, w.now().Weights)
			}
		}))
	}
}

func TestCanaryThatCannotStart(t *testing.T) { synctest.Test(t, testCanaryThatCannotStart) }

func testCanaryThatCannotStart(t *testing.T) {
	p := plan()
	w := newWorld(p)
	tries := 0
	r := w.start(t, p, func(c *release.Config) {
		c.Prepare = func(context.Context) error {
			if tries++; tries < 3 {
				return errors.New("the API server restarts")
			}
			return fmt.Errorf("%w: the image is not there", release.ErrBroken)
		}
	})
	result, err := r.ended()
	if err != nil || result.Release.Phase != canary.RolledBack || !strings.Contains(result.Release.Why, "the image is not there") {
		t.Errorf("%v, %+v", err, result.Release)
	}
	if tries != 3 || len(r.heard(event.Warning)) != 1 { // the same trouble twice
		t.Errorf("%d tries, and it told:\n%s", tries, r.story())
	}
}

// TestStableDegraded keeps the traffic with a bad canary while stable cannot
// answer at all.
func TestStableDegraded(t *testing.T) { synctest.Test(t, testStableDegraded) }

func testStableDegraded(t *testing.T) {
	p := plan()
	p.Steps[0].Min = seconds(60)
	w := newWorld(p)
	r := w.start(t, p)
	r.until("the first step", r.atWeight(10))
	w.become(stable, 0)
	w.mu.Lock()
	w.bad[onTest] = 0.2
	w.mu.Unlock()
	r.until("a minute goes by", r.passed(time.Minute))
	if got := w.now().Weights.Canary; got != 10 {
		t.Fatalf("the canary has %s%%", got)
	}
	w.become(stable, 1)
	result, err := r.ended()
	if err != nil || result.Release.Phase != canary.RolledBack {
		t.Errorf("%v, %+v", err, result.Release)
	}
}

// become changes how many Pods of a version are ready.
func (w *world) become(version string, ready int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ready[version] = ready
	w.wake()
}

// TestAnotherTemplate pauses when what is judged is changed. Who resumes has it
// judged from then on, by evidence of its own.
func TestAnotherTemplate(t *testing.T) { synctest.Test(t, testAnotherTemplate) }

func testAnotherTemplate(t *testing.T) {
	p := plan()
	p.Steps[0].Min = seconds(20)
	w := newWorld(p)
	r := w.start(t, p)
	r.until("the first step", r.atWeight(10))
	r.until("some evidence", func() bool { return len(r.heard(event.Evidence)) > 3 })
	w.mu.Lock()
	w.versions[onTest] = workload.Deployed{Name: "shop-v2", Template: "other", Author: `"kubectl-edit"`}
	w.wake()
	w.mu.Unlock()
	r.until("a pause", func() bool { return w.now().Position.Release.Phase == canary.Paused })
	if why := w.now().Position.Release.Why; !strings.Contains(why, "kubectl-edit") || !strings.Contains(why, "shop-v2") {
		t.Errorf("why: %s", why)
	}
	w.edit(func(rel canary.Release) canary.Release { return rel.Again(p, w.now().Weights, time.Now()) })
	r.until("it is judged anew", func() bool { return !w.now().Position.Release.Judged.IsZero() })
	result, err := r.ended()
	if err != nil || result.Release.Phase != canary.Promoted {
		t.Fatalf("%v, %+v\n%s", err, result.Release, r.story())
	}
	last := result.Known.Metrics[0]
	if total := uint64(time.Since(result.Release.Judged).Seconds() * w.rate); last.Stable.Requests+last.Canary.Requests > total {
		t.Errorf("evidence of %d requests, and there were %d since", last.Stable.Requests+last.Canary.Requests, total)
	}
}

// deployed is a version as a watch sees it. Its template is its image.
func deployed(version, image string, done bool) workload.Deployed {
	ready := int64(0)
	if done {
		ready = 2
	}
	labels := map[string]any{"app": "shop", "version": version}
	return workload.Deployed{Name: "shop-" + version, Template: image, Author: `"kubectl-edit"`, Object: &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": "shop-" + version, "namespace": "default", "labels": labels, "generation": int64(1)},
		"spec": map[string]any{
			"replicas": int64(2), "selector": map[string]any{"matchLabels": labels},
			"template": map[string]any{
				"metadata": map[string]any{"labels": labels},
				"spec":     map[string]any{"containers": []any{map[string]any{"name": "shop", "image": image}}},
			},
		},
		"status": map[string]any{"observedGeneration": int64(1), "replicas": ready, "updatedReplicas": ready, "readyReplicas": ready, "availableReplicas": ready},
	}}}
}

// TestTakenOverAtTheFirstStep has the engine before take that step, after this one has
// read where the release stands: what it would have prepared is there.
func TestTakenOverAtTheFirstStep(t *testing.T) { synctest.Test(t, testTakenOverAtTheFirstStep) }

func testTakenOverAtTheFirstStep(t *testing.T) {
	p := plan()
	w := newWorld(p)
	r := w.start(t, p, func(c *release.Config) {
		c.Prepare = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	})
	r.until("it waits", func() bool { return len(r.heard(event.Waiting)) > 0 })
	w.mu.Lock()
	place := *w.route.Position
	step := *place.Release
	step.Phase, step.Step, step.Weight, step.Cleared, step.Since = canary.Progressing, 0, 10, 1, time.Now()
	place.Release = &step
	w.change(changeTo(canary.Weights{Stable: 90, Canary: 10}, &place))
	w.mu.Unlock()
	if result, err := r.ended(); err != nil || result.Release.Phase != canary.Promoted {
		t.Errorf("%v, %+v\n%s", err, result.Release, r.story())
	}
}

// TestCanaryDeletedBeforeItsFirstStep has somebody delete the canary that is being
// waited for, just when its Pods are ready. It gets no traffic, the policy is followed,
// and whoever resumes has it made again.
func TestCanaryDeletedBeforeItsFirstStep(t *testing.T) {
	synctest.Test(t, testCanaryDeletedBeforeItsFirstStep)
}

func testCanaryDeletedBeforeItsFirstStep(t *testing.T) {
	p := plan()
	w := newWorld(p)
	w.ready[onTest] = 0
	var made atomic.Int32
	r := w.start(t, p, func(c *release.Config) {
		c.Prepare = func(context.Context) error {
			made.Add(1)
			w.set(onTest, workload.Deployed{Name: "shop-v2", Template: "two", Desired: 2}, 0)
			return nil
		}
	})
	r.until("it is made", func() bool { return made.Load() == 1 })
	w.set(onTest, workload.Deployed{Name: "shop-v2", Template: "two", Deleting: true, Desired: 2, Ready: 2}, 2)
	r.until("a pause", func() bool { return w.now().Position.Release.Phase == canary.Paused })
	if got := w.now().Position.Release; got.Cause != canary.CauseForeign || !strings.Contains(got.Why, "the Deployment of v2 is being deleted") || len(w.seen) != 1 || w.seen[0] != canary.AllStable() {
		t.Errorf("paused for %q: %s; weights %v", got.Cause, got.Why, w.seen)
	}
	w.set(onTest, workload.Deployed{Gone: true}, 0)
	w.edit(func(rel canary.Release) canary.Release { return rel.Again(p, w.now().Weights, time.Now()) })
	r.until("it is made again", func() bool { return made.Load() == 2 })
	w.set(onTest, workload.Deployed{Name: "shop-v2", Template: "two", Desired: 2, Ready: 2}, 2)
	if result, err := r.ended(); err != nil || result.Release.Phase != canary.Promoted {
		t.Errorf("%v, %+v", err, result.Release)
	}
}

// set changes a version's Deployment.
func (w *world) set(version string, d workload.Deployed, ready int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.versions[version], w.ready[version] = d, ready
	w.wake()
}

// rolling is a promotion in place that has begun.
func rolling(t *testing.T, more ...func(*world, *release.Config)) (*run, *atomic.Int32) {
	t.Helper()
	p := plan()
	p.Promotion = canary.InPlace
	w := newWorld(p)
	w.versions[stable], w.versions[onTest] = deployed(stable, "shop:v1", true), deployed(onTest, "shop:v2", true)
	var rolls atomic.Int32
	r := w.start(t, p, func(c *release.Config) {
		c.Roll = func(context.Context) error {
			rolls.Add(1)
			if got := w.now().Weights; got != canary.AllCanary() {
				t.Errorf("rolled at %s", got)
			}
			w.set(stable, deployed(stable, "shop:v2", false), 0)
			return nil
		}
		for _, change := range more {
			change(w, c)
		}
	})
	r.until("stable rolls", func() bool { return rolls.Load() == 1 })
	r.until("some time goes by", r.passed(10*time.Second))
	if got := w.now().Weights; got != canary.AllCanary() {
		t.Fatalf("weights %s while it rolls", got)
	}
	return r, &rolls
}

// passed reports whether so much time went by since.
func (r *run) passed(d time.Duration) func() bool {
	then := time.Now().Add(d)
	return func() bool { return time.Now().After(then) }
}

func TestInPlace(t *testing.T) { synctest.Test(t, testInPlace) }

func testInPlace(t *testing.T) {
	r, rolls := rolling(t)
	r.set(stable, deployed(stable, "shop:v2", true), 2)
	result, err := r.ended()
	if err != nil || result.Release.Phase != canary.Promoted || r.now().Weights != canary.AllStable() || rolls.Load() != 1 {
		t.Errorf("%v, %d rolls, weights %s, %+v", err, rolls.Load(), r.now().Weights, result.Release)
	}
	if now := r.now(); now.Stable != stable {
		t.Errorf("stable is %s", now.Stable)
	}
}

// TestInPlaceTurnedBack has GitOps set the stable Deployment back while it rolls.
// That is nothing to fight over: a person decides.
func TestInPlaceTurnedBack(t *testing.T) { synctest.Test(t, testInPlaceTurnedBack) }

func testInPlaceTurnedBack(t *testing.T) {
	r, rolls := rolling(t)
	r.set(stable, deployed(stable, "shop:v1", true), 2)
	r.until("a pause", func() bool { return r.now().Position.Release.Phase == canary.Paused })
	if got := r.now(); got.Weights != canary.AllCanary() || !strings.Contains(got.Position.Release.Why, "back") || rolls.Load() != 1 {
		t.Errorf("weights %s, %d rolls: %s", got.Weights, rolls.Load(), got.Position.Release.Why)
	}
	r.edit(func(rel canary.Release) canary.Release { return rel.Again(plan(), r.now().Weights, time.Now()) })
	r.until("it rolls again", func() bool { return rolls.Load() == 2 })
	r.set(stable, deployed(stable, "shop:v2", true), 2)
	if result, err := r.ended(); err != nil || result.Release.Phase != canary.Promoted {
		t.Errorf("%v, %+v", err, result.Release)
	}
}

// TestInPlaceForbidden has no right to change the stable Deployment. A person is
// asked, once; the old version is whole, so that a canary that turns out bad is
// still rolled back; and with the right it goes on.
func TestInPlaceForbidden(t *testing.T) { synctest.Test(t, testInPlaceForbidden) }

func testInPlaceForbidden(t *testing.T) {
	p := plan()
	p.Promotion = canary.InPlace
	w := newWorld(p)
	w.versions[stable], w.versions[onTest] = deployed(stable, "shop:v1", true), deployed(onTest, "shop:v2", true)
	var granted atomic.Bool
	r := w.start(t, p, func(c *release.Config) {
		c.Roll = func(context.Context) error {
			if !granted.Load() {
				return apierrors.NewForbidden(schemaOf("deployments"), stable, errors.New("no"))
			}
			w.set(stable, deployed(stable, "shop:v2", true), 2)
			return nil
		}
	})
	r.until("a pause", func() bool { return w.now().Position.Release.Phase == canary.Paused })
	if got := w.now(); got.Weights != canary.AllCanary() || got.Position.Release.Cause != canary.CauseRoll {
		t.Errorf("weights %s, paused for %q", got.Weights, got.Position.Release.Cause)
	}
	granted.Store(true)
	w.edit(func(rel canary.Release) canary.Release { return rel.Again(p, w.now().Weights, time.Now()) })
	if result, err := r.ended(); err != nil || result.Release.Phase != canary.Promoted {
		t.Errorf("%v, %+v", err, result.Release)
	}
}

func TestInPlaceForbiddenAndHarmful(t *testing.T) { synctest.Test(t, testInPlaceForbiddenAndHarmful) }

func testInPlaceForbiddenAndHarmful(t *testing.T) {
	p := plan()
	p.Promotion = canary.InPlace
	w := newWorld(p)
	w.versions[stable], w.versions[onTest] = deployed(stable, "shop:v1", true), deployed(onTest, "shop:v2", true)
	r := w.start(t, p, func(c *release.Config) {
		c.Roll = func(context.Context) error {
			return apierrors.NewForbidden(schemaOf("deployments"), stable, errors.New("no"))
		}
	})
	r.until("a pause", func() bool { return w.now().Position.Release.Phase == canary.Paused })
	w.set(onTest, deployed(onTest, "shop:v2", false), 0)
	if result, err := r.ended(); err != nil || result.Release.Phase != canary.RolledBack || w.now().Weights != canary.AllStable() {
		t.Errorf("%v, weights %s, %+v", err, w.now().Weights, result.Release)
	}
}

// TestInPlaceUndone has the canary's Pods fail while the stable Deployment is rolled to
// their template. That is rolled back before the traffic returns; where it cannot be,
// a person decides.
func TestInPlaceUndone(t *testing.T) {
	forbidden := apierrors.NewForbidden(schemaOf("deployments"), stable, errors.New("no"))
	for _, test := range []struct {
		name    string
		answers []error      // of Unroll
		phase   canary.Phase // that it leads to
	}{
		{"it knows what it was", []error{nil}, canary.RolledBack},
		{"after a moment", []error{errors.New("the API server is busy"), nil}, canary.RolledBack},
		{"it may not", []error{forbidden}, canary.Paused},
		{"it does not know any more", []error{workload.ErrNotRolled}, canary.Paused},
	} {
		t.Run(test.name, inBubble(func(t *testing.T) {
			var asked atomic.Int32
			r, _ := rolling(t, func(w *world, c *release.Config) {
				c.Unroll = func(context.Context) error {
					if got := w.now().Weights; got != canary.AllCanary() {
						t.Errorf("undone at %s", got)
					}
					err := test.answers[min(int(asked.Add(1)), len(test.answers))-1]
					if err == nil {
						w.set(stable, deployed(stable, "shop:v1", true), 2)
					}
					return err
				}
			})
			half := deployed(stable, "shop:v2", false)
			half.Undoable = true
			r.set(stable, half, 1)
			r.set(onTest, deployed(onTest, "shop:v2", false), 0)
			r.until("that is met", func() bool { p := r.now().Position.Release.Phase; return p.Over() || p == canary.Paused })
			if got := r.now(); got.Position.Release.Phase != test.phase || got.Weights != canary.AllStable() || int(asked.Load()) != len(test.answers) {
				t.Errorf("%s at %s, asked %d times: %s", got.Position.Release.Phase, got.Weights, asked.Load(), got.Position.Release.Why)
			}
		}))
	}
}

func TestSuperseded(t *testing.T) { synctest.Test(t, testSuperseded) }

func testSuperseded(t *testing.T) {
	p := plan()
	p.Steps[0].Min = seconds(60)
	w := newWorld(p)
	r := w.start(t, p)
	r.until("the first step", r.atWeight(10))
	w.edit(func(canary.Release) canary.Release { return canary.Begin("r2", "hash", time.Now()) })
	if _, err := r.ended(); !errors.Is(err, release.ErrSuperseded) {
		t.Errorf("%v", err)
	}
}
