package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/cli"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

// brief is a plan that is over as soon as the canary was counted at all.
const brief = `
apiVersion: canaryctl.io/v1alpha1
kind: Plan
spec:
  steps: [{weight: 20, exposure: 1}, {weight: 50}]
  exposure: 1
`

// TestReleaseKilledAnywhere kills the process that drives a release between any two
// of its requests, and after each whose answer is then lost. The weights are valid
// at every moment, whoever goes on brings the release to its end, and the history
// has it once.
func TestReleaseKilledAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("it kills some dozens of processes")
	}
	requests := 0
	t.Run("uncut", func(t *testing.T) {
		k := newKilled(t)
		if said, err := k.run(t, nil); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		k.ended(t, "uncut")
		requests = len(k.server.Requests())
	})
	var all sync.WaitGroup
	cuts := make(chan int)
	for range 8 { // they wait for traffic, and not for a processor
		all.Go(func() {
			for n := range cuts {
				for _, lost := range []bool{false, true} {
					t.Run(fmt.Sprintf("%d requests, answer lost %t", n, lost), func(t *testing.T) {
						k := newKilled(t)
						said, _ := k.run(t, k.server.CutAfter(n, lost))
						k.server.Heal()
						k.goOn(t, said)
					})
				}
			}
		})
	}
	for n := range requests + 1 {
		cuts <- n
	}
	close(cuts)
	all.Wait()
}

// killed is a release that a process of its own drives, and a watch on its weights.
type killed struct {
	*releasing
	plan    string
	invalid atomic.Pointer[string]
}

func newKilled(t *testing.T) *killed {
	t.Helper()
	k := &killed{releasing: newReleasing(t, healthy())}
	k.plan = k.file(t, "plan.yaml", brief)
	k.server.OnWrite(func(e kubetest.Event) {
		if e.Object.GetKind() != "VirtualService" {
			return
		}
		if err := k.validWeights(); err != nil {
			text := err.Error()
			k.invalid.Store(&text)
		}
	})
	return k
}

// run is the release in a process that is killed when cut is closed.
func (k *killed) run(t *testing.T, cut <-chan struct{}) (said string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	process := exec.CommandContext(ctx, "canaryctl", "--kubeconfig", k.kubeconfig,
		"release", "--image", "versioned-echo:v2", "-f", k.plan, "--prometheus-url", k.mesh.URL())
	var out bytes.Buffer
	process.Stdout, process.Stderr = &out, &out
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-cut:
			_ = process.Process.Kill() // it may have ended by itself
		case <-over:
		}
	}()
	err = process.Wait()
	close(over)
	<-watched
	return out.String(), err
}

// goOn brings a release to its end that was killed somewhere: resumed where the
// route knows of it, else begun again. The Lease is that of a process that is gone,
// which nobody can know for some seconds.
func (k *killed) goOn(t *testing.T, before string) {
	t.Helper()
	if err := k.validWeights(); err != nil {
		t.Error(err)
	}
	args := []string{"resume", "--take-over"}
	switch standing := k.standing(t); {
	case strings.Contains(standing, string(canary.Promoted)):
		args = nil // what was cut came after the end
	case strings.Contains(standing, "no release"):
		args = []string{"release", "--image", "versioned-echo:v2", "-f", k.plan, "--take-over"}
	}
	if args != nil {
		if c := k.do(t, args...); c.code != cli.ExitDone {
			t.Errorf("%v: status %d\n%s\nbefore it:\n%s", args, c.code, c.err.String(), before)
		}
	}
	k.ended(t, before)
}

// ended checks that the release was promoted, once, by valid weights alone.
func (k *killed) ended(t *testing.T, before string) {
	t.Helper()
	if text := k.invalid.Load(); text != nil {
		t.Error(*text)
	}
	if got, want := k.standing(t), "previous v1 0, stable v2 100\tpromoted\tno plan\tended: promoted"; got != want {
		t.Errorf("stands at %q, want %q\n%s", got, want, before)
	}
}
