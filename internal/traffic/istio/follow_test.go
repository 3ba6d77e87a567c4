package istio_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// public is a second VirtualService of the host that "one" is of, for a gateway.
const public = `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo-public, labels: {team: edge}}
spec:
  hosts: [echo.example.com]
  gateways: [istio-system/public]
  http:
    - match: [{uri: {prefix: /echo/}}]
      rewrite: {uri: /}
      futureField: [1, null]
      route: [{destination: {host: echo.default.svc.cluster.local, subset: v1}}]
`

// weightsIn are those of a VirtualService's rules, by subset.
func weightsIn(s *kubetest.Server, name string) map[string]any {
	vs := s.Get(kube.VirtualServices(), "default", name)
	rules, _, _ := unstructured.NestedSlice(vs.Object, "spec", "http")
	weights := map[string]any{}
	for _, rule := range rules {
		for _, d := range rule.(map[string]any)["route"].([]any) {
			subset, _, _ := unstructured.NestedString(d.(map[string]any), "destination", "subset")
			if weight := d.(map[string]any)["weight"]; weight != nil && subset != "v9" {
				weights[subset] = weight
			}
		}
	}
	return weights
}

// Whatever is done to a route is done to the one that follows it, too, and undone.
func TestContractWithAFollower(t *testing.T) {
	contract(t, func(t testing.TB) *kubetest.Server {
		s := kubetest.New(t, one+public)
		t.Cleanup(func() {
			name := t.Name()[strings.LastIndex(t.Name(), "/")+1:]
			if strings.Contains(name, "fence") || strings.Contains(name, "survive") || strings.Contains(name, "stale") || strings.Contains(name, "ten_writers") {
				return // somebody else wrote the weights of one, or ten did at once
			}
			if diff := cmp.Diff(weightsIn(s, "echo"), weightsIn(s, "echo-public")); diff != "" {
				t.Errorf("the follower has other weights (-leader +follower):\n%s", diff)
			}
		})
		return s
	})
}

func found2(t *testing.T, router traffic.Router, q traffic.Query) traffic.Route {
	t.Helper()
	q.Namespace = "default"
	r, err := router.Find(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// admittedWithPublic is a canary behind both, at a weight.
func admittedWithPublic(t *testing.T, s *kubetest.Server, weight canary.Percent) (traffic.Router, traffic.Route) {
	t.Helper()
	router := newRouter(t, s)
	r := found2(t, router, traffic.Query{Host: "echo"})
	if r.Name != "echo" {
		t.Fatalf("%s leads, want the route of the mesh", r)
	}
	r, err := router.Admit(t.Context(), r, traffic.Admission{Version: "v2"}, traffic.Write{})
	if err == nil {
		r, err = router.Split(t.Context(), r, traffic.Change{Weights: canary.ToCanary(weight)}, traffic.Write{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return router, r
}

func TestFollowersAreFoundByTheirLeader(t *testing.T) {
	s := kubetest.New(t, one+public)
	router, _ := admittedWithPublic(t, s, 10)
	for _, q := range []traffic.Query{{App: "echo"}, {Route: "echo-public"}, {Host: "echo"}, {Route: "echo-public", Host: "echo.default.svc.cluster.local"}, {Host: "echo", Split: true}} {
		r := found2(t, router, q)
		if diff := cmp.Diff([]string{"echo-public"}, r.Followers); r.Name != "echo" || diff != "" {
			t.Errorf("%+v finds %s with followers %v", q, r, r.Followers)
		}
	}
	s.Delete(kube.VirtualServices(), "default", "echo")
	if r := found2(t, router, traffic.Query{Route: "echo-public"}); r.Name != "echo-public" || r.Weights.Canary != 10 {
		t.Errorf("without its leader it is %s, %s", r, r.Weights)
	}
}

// The canary loses what it has in all of them, even where one cannot be written, and
// the leader last: it says that there is something to do.
func TestRollbackGoesOnPastAFollower(t *testing.T) {
	s := kubetest.New(t, one+public)
	router, r := admittedWithPublic(t, s, 30)
	s.ResetRequests()
	if _, err := router.Split(t.Context(), r, traffic.Change{Weights: canary.AllStable()}, traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, request := range s.Requests() {
		if request.Verb == "patch" {
			order = append(order, request.Name)
		}
	}
	if diff := cmp.Diff([]string{"echo-public", "echo"}, order); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	marked := s.Get(kube.VirtualServices(), "default", "echo-public")
	marked.SetAnnotations(map[string]string{"argo-rollouts.argoproj.io/managed-by-rollouts": "x", "canaryctl.io/position": marked.GetAnnotations()["canaryctl.io/position"]})
	s.Put(marked)
	r = found2(t, router, traffic.Query{Route: "echo", Host: "echo"})
	after, err := router.Split(t.Context(), r, traffic.Change{Weights: canary.ToCanary(20)}, traffic.Write{})
	if !errors.Is(err, traffic.ErrForeign) || after.Weights.Canary != 20 {
		t.Fatalf("a follower that cannot be written: %v, and the leader is at %s", err, after.Weights)
	}
	after, err = router.Split(t.Context(), after, traffic.Change{Weights: canary.AllStable()}, traffic.Write{})
	if err != nil || after.Weights.Canary != 0 {
		t.Errorf("a rollback beside a follower that gets nothing: %v, and the leader is at %s", err, after.Weights)
	}
}

// A promotion that was cut short between the two is made whole, and the version that a
// follower still sends to is not taken away before.
func TestFollowerBehindAPromotion(t *testing.T) {
	s := kubetest.New(t, one+public)
	router, r := admittedWithPublic(t, s, 50)
	before := s.Get(kube.VirtualServices(), "default", "echo-public")
	promoted := r.Place().Promoted()
	r, err := router.Split(t.Context(), r, traffic.Change{Weights: canary.AllCanary(), Position: &promoted}, traffic.Write{})
	if err != nil {
		t.Fatal(err)
	}
	behind := s.Get(kube.VirtualServices(), "default", "echo-public")
	behind.SetAnnotations(before.GetAnnotations())
	behind.Object["spec"] = before.Object["spec"]
	s.Put(behind)
	if _, err := router.Withdraw(t.Context(), r, "v1", traffic.Write{}); !errors.Is(err, traffic.ErrServing) {
		t.Errorf("v1 is withdrawn while echo-public sends to it: %v", err)
	}
	place, both := r.Place(), r
	both.Canary = "v1"
	if _, err := router.Split(t.Context(), both, traffic.Change{Weights: canary.AllStable(), Position: &place}, traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"v1": int64(0), "v2": int64(100)}, weightsIn(s, "echo-public")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := router.Dismiss(t.Context(), r, "v1", traffic.Write{}); err != nil {
		t.Errorf("v1 cannot be removed: %v", err)
	}
}

// At weight 0, too, a follower leads to the canary by a header or a mirror as the leader
// does, and then no longer.
func TestFollowerLeadsBesideTheWeights(t *testing.T) {
	for _, b := range []traffic.Beside{{Header: &canary.Header{Name: "x-canary", Value: "yes"}}, {Mirror: 10}} {
		s := kubetest.New(t, one+public)
		router, r := admittedWithPublic(t, s, 0)
		for _, b := range []traffic.Beside{b, {}} {
			var err error
			if r, err = router.Split(t.Context(), r, traffic.Change{Weights: canary.AllStable(), Beside: &b}, traffic.Write{}); err != nil {
				t.Fatal(err)
			}
			vs := s.Get(kube.VirtualServices(), "default", "echo-public")
			vs.SetAnnotations(nil)
			s.Put(vs) // it stands for itself now
			f := found2(t, router, traffic.Query{Route: "echo-public"})
			if diff := cmp.Diff(b, f.Beside); diff != "" {
				t.Errorf("the follower leads otherwise (-want +got):\n%s", diff)
			}
		}
	}
}

// An admission that was cut short before the leader leaves several that follow already.
func TestLeaderIsFoundBeforeItLeads(t *testing.T) {
	s := kubetest.New(t, one+public+strings.ReplaceAll(public, "echo-public", "echo-partners"))
	router := newRouter(t, s)
	s.Fail(func(r kubetest.Request) error {
		if r.Verb == "patch" && r.Resource == "virtualservices" && r.Name == "echo" {
			return errors.New("down")
		}
		return nil
	})
	if _, err := router.Admit(t.Context(), found2(t, router, traffic.Query{Host: "echo"}), traffic.Admission{Version: "v2"}, traffic.Write{}); err == nil {
		t.Fatal("it was admitted")
	}
	s.Heal()
	r := found2(t, router, traffic.Query{Host: "echo"})
	r, err := router.Admit(t.Context(), r, traffic.Admission{Version: "v2"}, traffic.Write{})
	if diff := cmp.Diff([]string{"echo-partners", "echo-public"}, r.Followers); err != nil || r.Name != "echo" || diff != "" {
		t.Errorf("%s: %v (-want +got):\n%s", r, err, diff)
	}
}

// Admitting once more loses no follower, even where all traffic is on the canary.
func TestAdmittedAgainWithAFollower(t *testing.T) {
	s := kubetest.New(t, one+public)
	router, r := admittedWithPublic(t, s, 100)
	r, err := router.Admit(t.Context(), r, traffic.Admission{Version: "v2"}, traffic.Write{})
	if diff := cmp.Diff([]string{"echo-public"}, r.Followers); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// Once a promotion is undone, a follower still knows what it was before the canary came.
func TestReturnAndDismissWithAFollower(t *testing.T) {
	s := kubetest.New(t, one+public)
	before := dump(t, s)
	router, r := admittedWithPublic(t, s, 50)
	promoted := r.Place().Promoted()
	r, err := router.Split(t.Context(), r, traffic.Change{Weights: canary.AllCanary(), Position: &promoted}, traffic.Write{})
	if err != nil {
		t.Fatal(err)
	}
	restored := r.Place().Restored()
	r.Canary = r.Previous()
	if r, err = router.Split(t.Context(), r, traffic.Change{Weights: canary.AllCanary(), Position: &restored}, traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	if r, err = router.Dismiss(t.Context(), r, "v2", traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	if _, err := router.Remember(t.Context(), r, forgotten(r, "v2"), traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, dump(t, s)); diff != "" {
		t.Errorf("the objects are not as they were (-before +after):\n%s", diff)
	}
}

// A follower that was applied anew from before the promotion has nothing to give back.
func TestReturnWithAFollowerAppliedAnew(t *testing.T) {
	s := kubetest.New(t, one+public)
	before := s.Get(kube.VirtualServices(), "default", "echo-public")
	router, r := admittedWithPublic(t, s, 50)
	promoted := r.Place().Promoted()
	r, err := router.Split(t.Context(), r, traffic.Change{Weights: canary.AllCanary(), Position: &promoted}, traffic.Write{})
	if err != nil {
		t.Fatal(err)
	}
	anew := s.Get(kube.VirtualServices(), "default", "echo-public")
	anew.SetAnnotations(before.GetAnnotations())
	anew.Object["spec"] = before.Object["spec"]
	s.Put(anew)
	restored, both := r.Place().Restored(), r
	both.Canary = r.Previous()
	after, err := router.Split(t.Context(), both, traffic.Change{Weights: canary.AllCanary(), Position: &restored}, traffic.Write{})
	if err != nil || after.Stable != "v1" || after.Weights != canary.AllStable() {
		t.Errorf("%s is stable, at %s: %v", after.Stable, after.Weights, err)
	}
}

// What a follower could not do is known before the canary is there.
func TestRehearseWithAFollower(t *testing.T) {
	s := kubetest.New(t, one+strings.Replace(public, "http:", "tcp:", 1))
	router := newRouter(t, s)
	r := found2(t, router, traffic.Query{Route: "echo", Host: "echo"})
	s.ResetRequests()
	for _, b := range []traffic.Beside{{Header: &canary.Header{Name: "x-canary", Value: "yes"}}, {Mirror: 10}} {
		err := router.Rehearse(t.Context(), r, "v2", b)
		if err == nil || !strings.Contains(err.Error(), "echo-public: no http rule") {
			t.Errorf("%+v: %v", b, err)
		}
	}
	if err := router.Rehearse(t.Context(), r, "v2"); err != nil {
		t.Errorf("weights alone: %v", err)
	}
	for _, q := range s.Requests() {
		if q.Verb != "list" && q.Verb != "get" {
			t.Errorf("it sent %s %s", q.Verb, q.Resource)
		}
	}
}

// A version that somebody has promoted since is taken out of no route.
func TestStaleDismissSparesFollowers(t *testing.T) {
	for name, meanwhile := range map[string]traffic.Change{
		"promoted":      {Weights: canary.AllCanary(), Position: &canary.Position{App: "echo", Stable: "v2", Previous: "v1"}},
		"given traffic": {Weights: canary.ToCanary(10)},
	} {
		s := kubetest.New(t, one+public)
		router, r := admittedWithPublic(t, s, 0)
		follower := s.Get(kube.VirtualServices(), "default", "echo-public")
		if _, err := router.Split(t.Context(), r, meanwhile, traffic.Write{}); err != nil {
			t.Fatal(err)
		}
		behind := s.Get(kube.VirtualServices(), "default", "echo-public") // that was cut short between two
		behind.SetAnnotations(follower.GetAnnotations())
		behind.Object["spec"] = follower.Object["spec"]
		s.Put(behind)
		before := weightsIn(s, "echo-public")
		for _, remove := range []func(context.Context, traffic.Route, string, traffic.Write) (traffic.Route, error){router.Withdraw, router.Dismiss} {
			if _, err := remove(t.Context(), r, "v2", traffic.Write{}); !errors.Is(err, traffic.ErrConflict) && !errors.Is(err, traffic.ErrServing) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if diff := cmp.Diff(before, weightsIn(s, "echo-public")); diff != "" {
			t.Errorf("%s: a follower was changed (-before +after):\n%s", name, diff)
		}
	}
}
