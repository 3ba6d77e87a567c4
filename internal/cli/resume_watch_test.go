package cli_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/cli"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

// TestResumeWatches looks on until the release is over, and ends as that ended.
func TestResumeWatches(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 9, 0, 0, time.UTC)
	for _, test := range []struct {
		name string
		end  func(canary.Position) (canary.Position, int)
		code int
		want string
	}{
		{"promoted", func(p canary.Position) (canary.Position, int) {
			done := p.Release.Done(canary.Proved, canary.Total, "it is better", now)
			p = p.Promoted()
			p.Release = &done
			return p, 100
		}, cli.ExitDone, "v2 stable 100%, 2/2 ready; v1 previous 0%, 2/2 ready; release r1 promoted: it is better\n"},
		{"rolled back", func(p canary.Position) (canary.Position, int) {
			back := p.Release.Back("it is worse", now)
			p.Release = &back
			return p, 0
		}, cli.ExitRolledBack, "release r1: rolled back: it is worse\n"},
		{"forgotten", func(p canary.Position) (canary.Position, int) {
			p.Release = nil
			return p, 0
		}, cli.ExitFailed, "no release is in progress any more\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRelease(t, [][]string{{"create-canary", "--image", "versioned-echo:v2"}})
			for _, s := range standings() {
				if s.name == "paused" {
					s.put(t, r)
				}
			}
			if err := r.server.Load(heldLease); err != nil {
				t.Fatal(err)
			}
			r.server.OnWrite(func(e kubetest.Event) { // an engine that ends what is resumed
				place := canary.Position{}
				text := e.Object.GetAnnotations()[canary.Annotation]
				if text == "" || json.Unmarshal([]byte(text), &place) != nil || place.Release == nil || place.Release.Phase != canary.Progressing {
					return
				}
				place, weight := test.end(place)
				data, err := json.Marshal(place)
				if err != nil {
					t.Error(err)
				}
				o := e.Object.DeepCopy()
				notes := o.GetAnnotations()
				notes[canary.Annotation] = string(data)
				o.SetAnnotations(notes)
				weigh(o, weight)
				r.server.Put(o)
			})
			if code := r.run(t, []string{"resume", "--watch"}); code != test.code {
				t.Errorf("status %d, want %d", code, test.code)
			}
			for _, want := range []string{"ci-runner-7 drives it\n", test.want} {
				if got := r.narration.String(); !strings.Contains(got, want) {
					t.Errorf("told:\n%s\nwant: %s", got, want)
				}
			}
		})
	}
}

// TestResumeAfterCrash: who holds the lease is gone, and it has not run out yet. The
// command does not take that for an engine that drives.
func TestResumeAfterCrash(t *testing.T) {
	r := newRelease(t, [][]string{{"create-canary", "--image", "versioned-echo:v2"}})
	for _, s := range standings() {
		if s.name == "paused" {
			s.put(t, r)
		}
	}
	renewed := time.Now().Add(-14 * time.Second).UTC().Format("2006-01-02T15:04:05.000000Z")
	if err := r.server.Load(strings.Replace(heldLease, "2199-01-01T00:00:00.000000Z", renewed, 1)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	holder := ""
	r.server.OnWrite(func(e kubetest.Event) {
		if e.Object.GetKind() == "Lease" && ctx.Err() == nil {
			holder, _, _ = unstructured.NestedString(e.Object.Object, "spec", "holderIdentity")
			cancel() // that it goes on from here is tested elsewhere
		}
	})
	r.runUntil(ctx, []string{"resume"})
	if holder == "" || holder == "ci-runner-7" {
		t.Errorf("%q holds the lease\n%s", holder, r.narration.String())
	}
	if got := r.narration.String(); !strings.Contains(got, "ci-runner-7 holds the lease; waiting for its next renewal") || strings.Contains(got, "ci-runner-7 drives it") {
		t.Errorf("told:\n%s", got)
	}
}
