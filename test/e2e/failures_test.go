package e2e

import (
	"strings"
	"testing"
)

// TestFailingCanaries creates canaries that cannot become ready. Each is
// reported by its own cause, with what to do, and gets no traffic.
func TestFailingCanaries(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	base(t, ns)
	create := "canaryctl --app versioned-echo create-canary --timeout 60s --replace -n " + ns + " "
	for _, c := range []struct{ name, args, want string }{
		{"image that nobody has", "--image nowhere.example/absent:v2", "image"},
		{"crash loop", "--image versioned-echo:v2 --set-env PORT_IS_IGNORED=1 --set-env FAULT_CRASH_AFTER=100ms", "crash"},
		{"failing probe", "--image versioned-echo:v2 --set-env FAULT_UNHEALTHY=true", "probe"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := try(t, create+c.args)
			if r.Code != 1 {
				t.Errorf("exit code %d, want 1\n%s", r.Code, r)
			}
			if !strings.Contains(strings.ToLower(r.Stderr), c.want) {
				t.Errorf("the reason does not speak of %q\n%s", c.want, r)
			}
			if got := weights(t, ns)["v2"]; got != 0 {
				t.Errorf("the failing canary gets %d%%", got)
			}
			r = try(t, "canaryctl set-traffic 90 10 -n "+ns+" --vs "+route)
			if r.Code == 0 {
				t.Errorf("traffic was sent to a version without ready Pods\n%s", r)
			}
		})
	}
	t.Run("quota", func(t *testing.T) {
		sh(t, "canaryctl delete-canary --yes --app versioned-echo -n "+ns)
		sh(t, "kubectl create quota tight --hard=pods=2 -n "+ns)
		r := try(t, create+"--image versioned-echo:v2")
		if r.Code != 1 || !strings.Contains(strings.ToLower(r.Stderr), "quota") {
			t.Errorf("want exit 1 and the quota named\n%s", r)
		}
	})
}

// TestRollbackWhateverTheState breaks everything a rollback might lean on.
func TestRollbackWhateverTheState(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	base(t, ns)
	rollback := "canaryctl rollback --vs " + route + " --host versioned-echo -n " + ns
	for _, c := range []struct{ name, harm string }{
		{"canary Deployment gone", "kubectl delete deploy/versioned-echo-v2 --wait=false"},
		{"stable scaled to nothing", "kubectl scale deploy/versioned-echo-v1 --replicas=0"},
		{"DestinationRule gone", "kubectl delete destinationrule/versioned-echo"},
		{"Service gone", "kubectl delete service/versioned-echo"},
		{"position annotation spoilt", "kubectl annotate virtualservice/" + route + " canaryctl.io/position='{not json' --overwrite"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sh(t, "kubectl apply -n "+ns+" -f k8s/base -f k8s/canary/deployment-v2.yaml && kubectl apply -n "+ns+" -f k8s/canary/vs-50-50.yaml")
			sh(t, c.harm+" -n "+ns)
			sh(t, rollback)
			if got := weights(t, ns); got["v1"] != 100 || got["v2"] != 0 {
				t.Errorf("after rollback: %v", got)
			}
		})
	}
}
