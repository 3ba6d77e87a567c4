package istio_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/traffic/istio"
)

// mixed has rules of every kind that a header or a mirror can meet.
const mixed = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo}
spec:
  hosts: [echo]
  http:
    - match: [{headers: {x-version: {exact: v2}}}]
      route: [{destination: {host: echo, subset: v2}}]
    - name: api
      match:
        - {name: read, uri: {prefix: /api}, method: {exact: GET}}
        - {uri: {prefix: /api}, headers: {x-user: {regex: "in.*"}, x-other: {prefix: a}}}
        - {uri: {prefix: /api}, headers: {x-user: {exact: stranger}}}
      timeout: 7s
      mirrors: [{destination: {host: shadow}, percentage: {value: 2.5}}]
      unknown: {a: [1, null, 2.50, "x & y"]}
      route:
        - {destination: {host: echo, subset: v1}, weight: 100}
        - {destination: {host: echo, subset: v2, port: {number: 80}}, weight: 0, headers: {request: {set: {x-seen: "1"}}}}
    - match: [{headers: {x-user: {exact: stranger}}}]
      route:
        - {destination: {host: echo, subset: v1}, weight: 100}
        - {destination: {host: echo, subset: v2}, weight: 0}
    - route:
        - {destination: {host: echo.default.svc, subset: v1}, weight: 100}
        - {destination: {host: echo.default.svc, subset: v2}, weight: 0}
  tcp:
    - route:
        - {destination: {host: echo, subset: v1}, weight: 100}
        - {destination: {host: echo, subset: v2}, weight: 0}
`

const headerBefore = `    - name: canaryctl-header-X-User
      match:
        - {name: read, uri: {prefix: /api}, method: {exact: GET}, headers: {x-user: {exact: insider}}}
        - {uri: {prefix: /api}, headers: {x-user: {exact: insider}, x-other: {prefix: a}}}
      timeout: 7s
      mirrors: [{destination: {host: shadow}, percentage: {value: 2.5}}]
      unknown: {a: [1, null, 2.50, "x & y"]}
      route:
        - {destination: {host: echo, subset: v2, port: {number: 80}}, headers: {request: {set: {x-seen: "1"}}}}
`

const headerLast = `    - name: canaryctl-header-X-User
      match: [{headers: {x-user: {exact: insider}}}]
      route: [{destination: {host: echo.default.svc, subset: v2}}]
`

func found(t *testing.T, s *kubetest.Server) (*istio.Router, traffic.Route) {
	t.Helper()
	router := newRouter(t, s)
	route, err := router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo", Host: "echo"})
	if err != nil {
		t.Fatal(err)
	}
	return router, route
}

func insider() *traffic.Beside {
	return &traffic.Beside{Header: &canary.Header{Name: "X-User", Value: "insider"}}
}

func TestHeaderGoesBeforeEveryRuleWithBothVersions(t *testing.T) {
	s := kubetest.New(t, mixed)
	router, route := found(t, s)
	route, err := router.Split(t.Context(), route, traffic.Change{Weights: canary.AllStable(), Beside: insider()}, traffic.Write{})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("    - name: api\n", headerBefore+"    - name: api\n",
		"    - route:\n        - {destination: {host: echo.default", headerLast+"    - route:\n        - {destination: {host: echo.default").Replace(mixed)
	if diff := cmp.Diff(specOf(t, want), virtualService(s).Object["spec"]); diff != "" {
		t.Fatalf("spec (-want +got):\n%s", diff)
	}
	// Another header takes the place of the first, with other weights at once.
	other := &traffic.Beside{Header: &canary.Header{Name: "x-team", Value: "a"}}
	if route, err = router.Split(t.Context(), route, traffic.Change{Weights: canary.Weights{Stable: 95, Canary: 5}, Beside: other}, traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	if text := dump(t, s); strings.Contains(text, "insider") || strings.Count(text, "canaryctl-header-x-team") != 3 {
		t.Errorf("with another header:\n%s", text)
	}
	if _, err = router.Split(t.Context(), route, traffic.Change{Weights: canary.AllStable()}, traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(specOf(t, mixed), virtualService(s).Object["spec"]); diff != "" {
		t.Errorf("spec after the rollback (-before +after):\n%s", diff)
	}
}

func TestMirrorGoesBesideOthersMirrors(t *testing.T) {
	s := kubetest.New(t, mixed)
	router, route := found(t, s)
	for _, percent := range []string{"20", "40"} {
		n := canary.Percent(20)
		if percent == "40" {
			n = 40
		}
		var err error
		if route, err = router.Split(t.Context(), route, traffic.Change{Weights: canary.AllStable(), Beside: &traffic.Beside{Mirror: n}}, traffic.Write{}); err != nil {
			t.Fatal(err)
		}
		ours := "{destination: {host: echo, subset: v2}, percentage: {value: " + percent + "}}"
		want := strings.NewReplacer(
			"{value: 2.5}}]", "{value: 2.5}}, "+strings.Replace(ours, "v2", "v2, port: {number: 80}", 1)+"]",
			"    - match: [{headers: {x-user: {exact: stranger}}}]\n", "    - match: [{headers: {x-user: {exact: stranger}}}]\n      mirrors: ["+ours+"]\n",
			"    - route:\n        - {destination: {host: echo.default", "    - mirrors: ["+strings.Replace(ours, "echo", "echo.default.svc", 1)+"]\n      route:\n        - {destination: {host: echo.default",
		).Replace(mixed)
		if diff := cmp.Diff(specOf(t, want), virtualService(s).Object["spec"]); diff != "" {
			t.Fatalf("spec at %s%% (-want +got):\n%s", percent, diff)
		}
	}
	p := route.Place().Promoted()
	if _, err := router.Split(t.Context(), route, traffic.Change{Weights: canary.AllCanary(), Position: &p}, traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	if text := dump(t, s); strings.Count(text, "mirrors") != 1 {
		t.Errorf("after the promotion the new stable version still gets copies:\n%s", text)
	}
}

func TestBesideIsRefused(t *testing.T) {
	single := strings.Replace(mixed, "mirrors: [{destination: {host: shadow}, percentage: {value: 2.5}}]", "mirror: {host: shadow}", 1)
	tcp := `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo}
spec:
  tcp:
    - route:
        - {destination: {host: echo, subset: v1}, weight: 100}
        - {destination: {host: echo, subset: v2}, weight: 0}
`
	for name, test := range map[string]struct {
		object, want string
		beside       traffic.Beside
	}{
		"mirror beside the single form":  {single, "spec.http[1] has a mirror", traffic.Beside{Mirror: 5}},
		"mirror without an http rule":    {tcp, "no http rule", traffic.Beside{Mirror: 5}},
		"header without an http rule":    {tcp, "no http rule", *insider()},
		"mirror of more than everything": {mixed, "101%", traffic.Beside{Mirror: 101}},
		"header that Istio ignores":      {mixed, "Istio ignores", traffic.Beside{Header: &canary.Header{Name: "Method", Value: "GET"}}},
		"header without a value":         {mixed, "needs a value", traffic.Beside{Header: &canary.Header{Name: "x-user"}}},
		"header that is none":            {mixed, "no name of a header", traffic.Beside{Header: &canary.Header{Name: "x user", Value: "a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New(t, test.object)
			router, route := found(t, s)
			_, err := router.Split(t.Context(), route, traffic.Change{Weights: canary.AllStable(), Beside: &test.beside}, traffic.Write{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
			if err := router.Rehearse(t.Context(), route, "v2", test.beside); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("rehearsed: error %v, want one that says %q", err, test.want)
			}
			if writes(s) != 0 {
				t.Error("something was written")
			}
		})
	}
}

// A rule of which somebody took the canary away still has the header rule before it.
func TestRollbackTakesStrayHeaderRulesOff(t *testing.T) {
	s := kubetest.New(t, `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo}
spec:
  http:
    - {name: canaryctl-header-x-user, match: [{headers: {x-user: {exact: a}}}], route: [{destination: {host: echo, subset: v2}}]}
    - {route: [{destination: {host: echo, subset: v1}}]}
`)
	router, route := found(t, s)
	if route.Stable != "v1" || route.Beside.Header == nil {
		t.Fatalf("stable %q, beside %+v", route.Stable, route.Beside)
	}
	if _, err := router.Split(t.Context(), route, traffic.Change{Weights: canary.AllStable()}, traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	if text := dump(t, s); strings.Contains(text, "v2") {
		t.Errorf("something still leads to the canary:\n%s", text)
	}
}

// A fence tells who crossed it, and what it is.
func TestFenceSaysWhoAndWhat(t *testing.T) {
	held := `'{"stable":"v1","canary":"v2","release":{"id":"r1","plan":"h","phase":"progressing","step":0,"weight":10,"started":"2026-03-01T12:00:00Z","since":"2026-03-01T12:00:00Z"}}'`
	object := func(annotation string) string {
		return strings.Replace(mixed, "{name: echo}", "{name: echo"+annotation+"}", 1)
	}
	carrying := object(", annotations: {canaryctl.io/position: " + held + "}")
	withHeader := strings.Replace(carrying, "    - name: api\n", headerBefore+"    - name: api\n", 1)
	for name, test := range map[string]struct{ before, after, want string }{
		"weights":       {carrying, strings.NewReplacer("v1}, weight: 100", "v1}, weight: 30", "v2}, weight: 0", "v2}, weight: 70", "80}}, weight: 0", "80}}, weight: 70").Replace(carrying), "the weights are 30/70 now"},
		"position gone": {carrying, object(""), "the position of the release is gone"},
		"position":      {carrying, strings.Replace(carrying, "progressing", "paused", 1), "at another position now"},
		"header gone":   {withHeader, carrying, "requests with a header"},
		"header added":  {carrying, withHeader, "requests with a header"},
		"mirror added": {carrying, strings.Replace(carrying, "mirrors: [", "mirrors: [{destination: {host: echo, subset: v2}}, ", 1),
			"requests are mirrored otherwise"},
		"not readable": {carrying, strings.NewReplacer(", subset: v1", "", ", subset: v2", "").Replace(object("")), "without a subset"},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New(t, test.before)
			router, route := found(t, s)
			if err := s.Load(test.after); err != nil {
				t.Fatal(err)
			}
			_, err := router.Split(t.Context(), route, traffic.Change{Weights: canary.Weights{Stable: 90, Canary: 10}, Fence: true}, traffic.Write{})
			if !errors.Is(err, traffic.ErrConflict) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), `by "kubetest" at`) {
				t.Errorf("error %v, want ErrConflict that says %q and who", err, test.want)
			}
			if hint.Of(err) == "" {
				t.Error("it says no next step")
			}
		})
	}
}

// What leads to a canary since somebody looked goes with it.
func TestStaleWithdrawal(t *testing.T) {
	for name, b := range map[string]traffic.Beside{"header": *insider(), "mirror": {Mirror: 20}} {
		s := kubetest.New(t, one)
		router, route := found(t, s)
		before := virtualService(s).Object["spec"]
		route, err := router.Admit(t.Context(), route, traffic.Admission{Version: "v2"}, traffic.Write{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := router.Split(t.Context(), route, traffic.Change{Weights: canary.AllStable(), Beside: &b}, traffic.Write{}); err != nil {
			t.Fatal(err)
		}
		if _, err := router.Withdraw(t.Context(), route, "v2", traffic.Write{}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, virtualService(s).Object["spec"]); diff != "" {
			t.Errorf("%s (-before +after):\n%s", name, diff)
		}
	}
}
