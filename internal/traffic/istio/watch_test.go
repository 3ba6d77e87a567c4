package istio_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/traffic/istio"
	"github.com/canaryctl/canaryctl/internal/traffic/routertest"
)

// watched is a watch of the route "one" with canary v2, past its first sight.
func watched(t *testing.T) (*kubetest.Server, *istio.Router, *routertest.Watcher, traffic.Route) {
	t.Helper()
	s := kubetest.New(t, one)
	router, route := connected(t, s)
	route, err := router.Admit(t.Context(), route, traffic.Admission{Version: "v2"}, traffic.Write{})
	if err != nil {
		t.Fatal(err)
	}
	s.ResetRequests()
	w := routertest.Watch(t, router, route)
	return s, router, w, w.Await(t, "the route", known).Route
}

// connected is found with the client that commands have, which gives a server
// that hangs up no ten more silent seconds.
func connected(t *testing.T, s *kubetest.Server) (*istio.Router, traffic.Route) {
	t.Helper()
	config, err := s.Kubeconfig()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := kube.Connect(kube.Config{Kubeconfig: path})
	if err != nil {
		t.Fatal(err)
	}
	router := istio.New(istio.Config{Client: client})
	route, err := router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo", Host: "echo"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.HTTP.CloseIdleConnections)
	return router, route
}

func known(s traffic.Sight) bool  { return s.Err == nil }
func failed(s traffic.Sight) bool { return s.Err != nil }

func weigh(t *testing.T, router *istio.Router, r traffic.Route, onTrial canary.Percent) traffic.Route {
	t.Helper()
	w := canary.ToCanary(onTrial)
	r, err := router.Split(t.Context(), r, traffic.Change{Weights: w}, traffic.Write{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func at(onTrial canary.Percent) func(traffic.Sight) bool {
	return func(s traffic.Sight) bool { return s.Err == nil && s.Route.Weights.Canary == onTrial }
}

// Two streams are all that a watch costs, however much changes.
func TestWatchCostsTwoRequests(t *testing.T) {
	s, router, w, route := watched(t)
	for n := canary.Percent(5); n <= 50; n += 5 {
		route = weigh(t, router, route, n)
		w.Await(t, "a step", at(n))
	}
	var asked []string
	for _, r := range s.Requests() {
		if r.Verb != "patch" {
			asked = append(asked, r.String())
		}
	}
	if len(asked) != 2 {
		t.Errorf("the watch asked %v, want two watches", asked)
	}
}

func TestWatchTellsOfSubsets(t *testing.T) {
	s, _, w, route := watched(t)
	change := func(what string, edit func(spec map[string]any, subsets []any)) {
		dr := s.Get(kube.DestinationRules(), "default", "echo")
		spec := dr.Object["spec"].(map[string]any)
		edit(spec, spec["subsets"].([]any))
		s.Put(dr)
		seen := w.Await(t, what, func(s traffic.Sight) bool { return s.Route.Subsets != route.Subsets }).Route
		if !strings.Contains(seen.SubsetsBy, `"kubetest"`) || seen.Version != route.Version {
			t.Errorf("%s: by %s at version %s, want kubetest at %s", what, seen.SubsetsBy, seen.Version, route.Version)
		}
		route = seen
	}
	change("labels of the canary", func(_ map[string]any, subsets []any) {
		subsets[1].(map[string]any)["labels"].(map[string]any)["version"] = "v9"
	})
	change("stable's policy", func(_ map[string]any, subsets []any) {
		delete(subsets[0].(map[string]any), "trafficPolicy")
	})
	change("everybody's policy", func(spec map[string]any, _ []any) { delete(spec, "trafficPolicy") })
	change("canary's subset", func(spec map[string]any, subsets []any) { spec["subsets"] = subsets[:1] })

	// What is said of others is none of ours.
	dr := s.Get(kube.DestinationRules(), "default", "echo")
	spec := dr.Object["spec"].(map[string]any)
	spec["subsets"] = append(spec["subsets"].([]any), map[string]any{"name": "v7", "labels": map[string]any{"version": "v7"}})
	s.Put(dr)
	if err := s.Load("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: other}\nspec: {host: elsewhere}"); err != nil {
		t.Fatal(err)
	}
	annotate(t, s, "somebody", "was here")
	seen := w.Await(t, "a change of the route", func(s traffic.Sight) bool { return s.Route.Version != route.Version })
	if seen.Route.Subsets != route.Subsets {
		t.Error("a subset of another version, or a rule of another host, counted")
	}
}

func TestWatchTellsOfDeletion(t *testing.T) {
	s, _, w, _ := watched(t)
	vs := virtualService(s)
	s.Delete(kube.VirtualServices(), "default", "echo")
	if gone := w.Await(t, "the deletion", failed); !errors.Is(gone.Err, traffic.ErrNoRoute) {
		t.Errorf("after the deletion: %v, want ErrNoRoute", gone.Err)
	}
	s.Put(vs)
	w.Await(t, "the route again", known)
	unversioned := vs.DeepCopy()
	if err := unstructured.SetNestedSlice(unversioned.Object, []any{map[string]any{"route": []any{map[string]any{"destination": map[string]any{"host": "echo"}}}}}, "spec", "http"); err != nil {
		t.Fatal(err)
	}
	unversioned.SetAnnotations(nil)
	s.Put(unversioned)
	if e := w.Await(t, "a route without versions", failed).Err; !errors.Is(e, traffic.ErrNotSplit) || !strings.Contains(e.Error(), `"kubetest"`) {
		t.Errorf("without versions: %v, want ErrNotSplit and who did it", e)
	}
}

// A position that somebody's kubectl replace took away leaves a route that can be
// seen.
func TestWatchSeesARouteWithoutPosition(t *testing.T) {
	s, _, w, route := watched(t)
	if route.Position == nil {
		t.Fatal("there was no position")
	}
	vs := virtualService(s)
	vs.SetAnnotations(nil)
	s.Put(vs)
	seen := w.Await(t, "the route without a position", func(s traffic.Sight) bool { return s.Err != nil || s.Route.Position == nil })
	if seen.Err != nil || seen.Route.Stable != "v1" || seen.Route.Canary != "v2" {
		t.Errorf("stable %q, canary %q: %v", seen.Route.Stable, seen.Route.Canary, seen.Err)
	}
}

func TestWatchOutlives(t *testing.T) {
	for name, trouble := range map[string]func(s *kubetest.Server){
		"a server that hangs up": func(s *kubetest.Server) { s.CutAfter(0, false); s.CutWatches() },
		"too many requests": func(s *kubetest.Server) {
			s.Fail(func(r kubetest.Request) error { return apierrors.NewTooManyRequests("slow down", 0) })
			s.CutWatches()
		},
		"an internal error": func(s *kubetest.Server) {
			s.Fail(func(r kubetest.Request) error { return errors.New("etcd has no leader") })
			s.CutWatches()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, router, w, route := watched(t)
			trouble(s)
			w.Await(t, "the trouble", failed)
			s.Heal()
			w.Await(t, "the route again", known)
			weigh(t, router, route, 10)
			w.Await(t, "a change after it", at(10))
		})
	}
	// What a server does every few minutes, or after it forgot, is no trouble.
	for name, cut := range map[string]func(s *kubetest.Server){
		"watches that end":       func(s *kubetest.Server) { s.CutWatches() },
		"a version that is gone": func(s *kubetest.Server) { s.Forget(); s.CutWatches() },
	} {
		t.Run(name, func(t *testing.T) {
			s, router, w, route := watched(t)
			for n := canary.Percent(1); n <= 3; n++ {
				weigh(t, router, route, n)
				cut(s)
				weigh(t, router, route, n+10)
				w.Await(t, "a change after it", at(n+10))
			}
			for _, s := range w.Unseen() {
				if s.Err != nil {
					t.Errorf("it told of trouble: %v", s.Err)
				}
			}
		})
	}
}

// Who may read but not watch is told so, and is served by lists.
func TestWatchWithoutTheRightToWatch(t *testing.T) {
	s := kubetest.New(t, one)
	s.Forbid("watch", "")
	router, route := connected(t, s)
	w := routertest.Watch(t, router, route)
	route = w.Await(t, "the route", known).Route
	annotate(t, s, "somebody", "was here")
	w.Await(t, "a change", func(s traffic.Sight) bool { return s.Err == nil && s.Route.Version != route.Version })
}

// The route is told although its subsets may not be seen, and that is told too.
func TestWatchWithoutTheRightToSeeSubsets(t *testing.T) {
	s := kubetest.New(t, one)
	s.Forbid("watch", "destinationrules")
	s.Forbid("list", "destinationrules")
	router, route := connected(t, s)
	w := routertest.Watch(t, router, route)
	if e := w.Await(t, "the refusal", failed).Err; !apierrors.IsForbidden(e) {
		t.Errorf("error %v, want the refusal", e)
	}
	if r := w.Await(t, "the route", known).Route; r.Subsets != "" {
		t.Errorf("subsets %q of a rule that was not read", r.Subsets)
	}
}
