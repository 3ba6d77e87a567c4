package e2e

import (
	"strings"
	"testing"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
)

const inPlace = quick + "  promotion: in-place\n"

// TestReleaseInPlace keeps the stable Deployment's name, gives it the new image,
// and loses no request on the way.
func TestReleaseInPlace(t *testing.T) {
	t.Parallel()
	s := perform(t, prometheus, "in-place")
	uid := sh(t, "kubectl get deploy/versioned-echo-v1 -o jsonpath={.metadata.uid} -n "+s.ns).Stdout
	s.release("v2", inPlace, "").wants(0)

	result, err := s.load.Stop()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range result.Phases {
		if p.Failed() > 0 || p.Unknown != nil {
			t.Errorf("requests failed: %v, %v", p.Failures, p.Unknown)
		}
		for _, v := range p.Versions {
			if v.Errors > 0 {
				t.Errorf("%s answered %d of %d requests with an error", v.Name, v.Errors, v.Requests)
			}
		}
	}
	got := sh(t, "kubectl get deploy/versioned-echo-v1 -o jsonpath='{.metadata.uid} {.spec.template.spec.containers[0].image} {.status.readyReplicas}' -n "+s.ns).Stdout
	if want := uid + " versioned-echo:v2 2"; got != want {
		t.Errorf("the stable Deployment is %s, want %s", got, want)
	}
	wantGone(t, s.ns, "deploy/versioned-echo-v2")
	if got := weights(t, s.ns); got["v1"] != 100 { // the manifest's own destination of v2 may stay
		t.Errorf("the route has %v", got)
	}
	wantShare(t, s.host(), "v2", 1, 100)
	r := s.record()
	if r.Outcome != canary.Promoted || len(ofKind(r, event.Rolling)) != 1 || len(ofKind(r, event.Retired)) != 1 {
		t.Errorf("on record: %s; %s", r.Outcome, tail(r.Events))
	}
	s.wantHistory(canary.Ended{ID: r.ID, Outcome: canary.Promoted, From: "v1", To: "v2", Image: "versioned-echo:v2", Basis: r.Basis})
}

// TestReleaseInPlaceThatFails has the stable Deployment unable to start the new
// version. The traffic stays with the canary, a person is asked, and may give it
// back to what is left of the old version.
func TestReleaseInPlaceThatFails(t *testing.T) {
	t.Parallel()
	s := perform(t, prometheus, "in-place")
	e := s.release("v2", strings.Replace(inPlace, "weight: 20, min: 1s", "weight: 20, min: 3s", 1), "--wait-paused")
	s.untilKind(event.Step, 1)
	sh(t, "kubectl create quota tight --hard=pods=4 -n "+s.ns) // as many as there are

	paused := s.untilKind(event.Paused, 1)
	if at := s.wantRoute("v2", 100, canary.Paused); at.Release().Cause != canary.CauseRoll {
		t.Errorf("it is paused for %q: %s", at.Release().Cause, paused.Message)
	}
	wantShare(t, s.host(), "v2", 1, 100)
	r := try(t, "canaryctl abort -n "+s.ns, s.env)
	if r.Code != 1 || !strings.Contains(r.Stderr, "rolled to the new version") {
		t.Errorf("abort in the middle of a roll:\n%s", r)
	}

	said := s.types("rollback")
	if !strings.Contains(said, "has its old Pod template again") {
		t.Errorf("rollback does not say what became of the stable Deployment:\n%s", said)
	}
	e.wants(3)
	s.wantRoute("v2", 0, canary.RolledBack)
	wantShare(t, s.host(), "v1", 1, 100)
	s.wantOldTemplate()
	sh(t, "kubectl delete quota tight -n "+s.ns)
}

// TestReleaseInPlaceThatDies loses the canary's Pods while the stable Deployment is
// rolled to what they ran. That is rolled back, and the traffic returns.
func TestReleaseInPlaceThatDies(t *testing.T) {
	t.Parallel()
	s := perform(t, pods, "in-place")
	sh(t, "kubectl create quota tight --hard=pods=4 -n "+s.ns)
	e := s.release("v2", inPlace+"  unready: 2s\n", "--wait-paused")
	s.untilKind(event.Paused, 1) // for the roll finds no room
	sh(t, "kubectl scale deploy/versioned-echo-v2 --replicas=0 -n "+s.ns)
	e.wants(3)
	s.wantRoute("v2", 0, canary.RolledBack)
	s.wantOldTemplate()
	wantShare(t, s.host(), "v1", 1, 100)
}

// wantOldTemplate checks that the stable Deployment is what it was before its roll,
// and remembers nothing of that.
func (s *stage) wantOldTemplate() {
	s.t.Helper()
	got := sh(s.t, `kubectl get deploy/versioned-echo-v1 -o jsonpath='{.spec.template.spec.containers[0].image} {.metadata.annotations.canaryctl\.io/template-before}' -n `+s.ns).Stdout
	if want := "versioned-echo:v1 "; got != want {
		s.t.Errorf("the stable Deployment is %q, want %q", got, want)
	}
}

// TestReleaseInPlaceWithoutTheRight has no Role that lets it change a Deployment.
// It says so, and nobody is without an answer.
func TestReleaseInPlaceWithoutTheRight(t *testing.T) {
	t.Parallel()
	s := perform(t, pods)
	e := s.release("v2", inPlace, "")
	e.wants(4)
	e.says("cannot be rolled", "forbidden")
	if at := s.wantRoute("v2", 100, canary.Paused); at.Release().Cause != canary.CauseRoll {
		t.Errorf("it is paused for %q: %s", at.Release().Cause, at.Release().Why)
	}
	wantShare(t, s.host(), "v2", 1, 100)

	// Once it has the right, it goes on.
	sh(t, "kubectl apply -f k8s/rbac/optional/in-place.yaml -n "+s.ns)
	s.drive("resume").wants(0)
	wantGone(t, s.ns, "deploy/versioned-echo-v2")
	wantShare(t, s.host(), "v2", 1, 100)
}
