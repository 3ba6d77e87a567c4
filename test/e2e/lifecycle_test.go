package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestLifecycleUnderItsRole takes a release there and back with no right but
// those of the Role under k8s/rbac, and ends with the route as it began.
func TestLifecycleUnderItsRole(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	base(t, ns)
	canaryctl := asServiceAccount(t, ns)
	original := specs(t, ns)
	podsOf := func(v string) string {
		return sh(t, fmt.Sprintf("kubectl get pod -n %s -l version=%s -o jsonpath='{.items[*].metadata.uid} {.items[*].status.containerStatuses[*].restartCount}'", ns, v)).Stdout
	}

	canaryctl("--app versioned-echo create-canary --image versioned-echo:v2 --replicas 2")
	canary := podsOf("v2")
	wantShare(t, "versioned-echo."+ns, "v2", 0, 100)
	canaryctl("set-traffic 80 20")
	wantShare(t, "versioned-echo."+ns, "v2", .2, 500)

	var status struct {
		Versions []struct {
			Version, Role, Image string
			Weight               int
		}
	}
	decode(t, canaryctl("status -o json"), &status)
	got := map[string]string{}
	for _, v := range status.Versions {
		got[v.Version] = fmt.Sprintf("%s %s %d", v.Role, v.Image, v.Weight)
	}
	want := map[string]string{"v1": "stable versioned-echo:v1 80", "v2": "canary versioned-echo:v2 20"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}

	canaryctl("promote")
	wantShare(t, "versioned-echo."+ns, "v2", 1, 100)
	if now := podsOf("v2"); now != canary {
		t.Errorf("promotion changed the canary's Pods: %s, then %s", canary, now)
	}
	canaryctl("rollback")
	wantShare(t, "versioned-echo."+ns, "v1", 1, 100)
	canaryctl("delete-canary")
	wantGone(t, ns, "deploy/versioned-echo-v2")
	if diff := cmp.Diff(original, specs(t, ns)); diff != "" {
		t.Errorf("delete-canary left the route changed (-before +after):\n%s", diff)
	}

	// A second release, promoted for good: v1 goes, v2's Pods never restarted.
	canaryctl("--app versioned-echo create-canary --image versioned-echo:v2 --replicas 2")
	canary = podsOf("v2")
	canaryctl("set-traffic 50 50")
	canaryctl("promote --retire")
	wantGone(t, ns, "deploy/versioned-echo-v1")
	if now := podsOf("v2"); now != canary {
		t.Errorf("promotion changed the canary's Pods: %s, then %s", canary, now)
	}
	wantShare(t, "versioned-echo."+ns, "v2", 1, 100)

	// And the next release takes its canary from v2.
	canaryctl("--app versioned-echo create-canary --image versioned-echo:v3")
	canaryctl("set-traffic 50 50")
	wantShare(t, "versioned-echo."+ns, "v3", .5, 300)
	r := try(t, "canaryctl delete-canary -n "+ns+" </dev/null")
	if r.Code == 0 || !strings.Contains(r.Stderr, "--yes") {
		t.Errorf("delete-canary of a version with traffic, with nobody to ask:\n%s", r)
	}
	canaryctl("delete-canary --yes")
	wantShare(t, "versioned-echo."+ns, "v2", 1, 100)
}

// TestObservedShare sees the share that status reports come from real metrics.
func TestObservedShare(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	base(t, ns)
	sh(t, "canaryctl --app versioned-echo create-canary --image versioned-echo:v2 -n "+ns)
	sh(t, "kubectl canary set-traffic 50 50 -n "+ns) // as a plugin of kubectl
	eventually(t, 30*time.Second, func() (bool, string) {
		wantShare(t, "versioned-echo."+ns, "v2", .5, 100)
		out := sh(t, "canaryctl status -o json -n "+ns).Stdout
		return strings.Contains(out, `"observed`), out
	})
}

// asServiceAccount returns canaryctl as the ServiceAccount of k8s/rbac.
func asServiceAccount(t *testing.T, ns string) func(args string) string {
	t.Helper()
	sh(t, "kubectl apply -n "+ns+" -f k8s/rbac")
	path, err := lab.ServiceAccountKubeconfig(t.Context(), ns, "canaryctl", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return func(args string) string {
		t.Helper()
		return sh(t, "canaryctl "+args, "KUBECONFIG="+path).Stdout
	}
}

// specs are the specs of the route's two objects.
func specs(t *testing.T, ns string) map[string]any {
	t.Helper()
	out := map[string]any{}
	for _, name := range []string{"virtualservice/" + route, "destinationrule/versioned-echo"} {
		var object map[string]any
		decode(t, sh(t, "kubectl get "+name+" -o json -n "+ns).Stdout, &object)
		out[name] = object["spec"]
	}
	return out
}

func wantGone(t *testing.T, ns, name string) {
	t.Helper()
	eventually(t, 30*time.Second, func() (bool, string) {
		r := sh(t, "kubectl get -n "+ns+" --ignore-not-found -o name "+name)
		return strings.TrimSpace(r.Stdout) == "", r.String()
	})
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("decode %q: %v", text, err)
	}
}
