package adopt_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/adopt"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// adopted is an application that adopt brought in.
func adopted() adopt.Situation {
	s := plain()
	d := s.Deployments[0]
	d.Labels["version"] = "v1"
	d.Object.SetAnnotations(map[string]string{canary.AdoptedAnnotation: canary.Adoptions{}.With("shop.prod.svc",
		canary.Adopted{Version: "v1", Labels: map[string]string{"version": "v1"}}).Encode()})
	s.Survey.Senders = []traffic.Sender{{Kind: "VirtualService", Name: "shop", Versions: []string{"v1"},
		Route: &traffic.Route{Kind: "VirtualService", Namespace: "prod", Name: "shop", Stable: "v1", Weights: canary.AllStable()}, Adopted: &canary.Adopted{Version: "v1", Named: []string{"/x"}}}}
	s.Survey.Definitions = []traffic.Definition{{Kind: "DestinationRule", Name: "shop", Versions: map[string]map[string]string{"v1": {"version": "v1"}},
		Adopted: &canary.Adopted{Version: "v1", Made: "abc"}}}
	return s
}

func TestBack(t *testing.T) {
	p, err := adopt.Back(adopted())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"v1",
		"route | VirtualService shop | subset v1 in its destinations",
		"subset | DestinationRule shop | which adopt made",
		"labels | Deployment shop | label version=v1 on its Pods"}
	if diff := cmp.Diff(want, brief(p)); diff != "" {
		t.Errorf("the plan (-want +got):\n%s", diff)
	}
	if p.Begun {
		t.Error("it says that a part was done")
	}
	if p, err := adopt.Back(plain()); err != nil || len(p.Changes) > 0 {
		t.Errorf("of what was never adopted: %v, %v", p.Changes, err)
	}
}

func TestBackRefuses(t *testing.T) {
	for _, test := range []struct {
		name       string
		edit       func(*adopt.Situation)
		says, hint string
	}{
		{"a canary", func(s *adopt.Situation) {
			s.Survey.Senders[0].Route.Position = &canary.Position{Stable: "v1", Canary: "v2"}
		}, "v2 is the canary", "canaryctl delete-canary"},
		{"a release", func(s *adopt.Situation) {
			s.Survey.Senders[0].Route.Position = &canary.Position{Stable: "v1", Release: &canary.Release{ID: "r1", Phase: canary.Paused}}
		}, "a release is in progress: r1", "canaryctl abort"},
		{"promoted, and the old one kept", func(s *adopt.Situation) {
			s.Survey.Senders[0].Route.Stable = "v2"
			s.Survey.Senders[0].Route.Position = &canary.Position{Stable: "v2", Previous: "v1"}
		}, "v2 is the stable version by now", "canaryctl rollback returns to v1"},
		{"taken back, and the other one kept", func(s *adopt.Situation) {
			s.Survey.Senders[0].Route.Position = &canary.Position{Stable: "v1", Previous: "v2"}
		}, "v2 is kept for a late rollback", "canaryctl delete-canary --version v2"},
		{"another Deployment", func(s *adopt.Situation) {
			s.Deployments = append(s.Deployments, running("shop-v2", "shop:2", map[string]string{"app": "shop", "version": "v2"}))
		}, "Deployment shop-v2 is behind Service shop", "canaryctl delete-canary"},
		{"another Deployment only", func(s *adopt.Situation) {
			s.Deployments = []workload.Version{running("shop-v2", "shop:2", map[string]string{"app": "shop", "version": "v2"})}
		}, "there is nothing to go back to", "leave it as it is"},
		{"another route", func(s *adopt.Situation) {
			s.Survey.Senders = append(s.Survey.Senders, traffic.Sender{Kind: "VirtualService", Name: "door", Versions: []string{"v1"},
				Route: &traffic.Route{Kind: "VirtualService", Namespace: "prod", Name: "door", Stable: "v1"}})
		}, "door names v1, and did not when adopt was run", "take the subset out"},
		{"another host's subset selects the label", func(s *adopt.Situation) {
			s.Survey.Others = []traffic.Definition{{Kind: "DestinationRule", Name: "inner", Host: "inner", Versions: map[string]map[string]string{"v1": {"app": "shop", "version": "v1"}}}}
		}, "DestinationRule inner, of host inner, selects the same Pods by app=shop, version=v1", "adopt --undo -n prod --host inner"},
		{"the Service selects the label", func(s *adopt.Situation) { s.Survey.Selector["version"] = "v1" }, "Service shop selects version by now", "take it out"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := adopted()
			test.edit(&s)
			_, err := adopt.Back(s)
			if err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(hint.Of(err), test.hint) {
				t.Errorf("error %v, hint %q; want %q, %q", err, hint.Of(err), test.says, test.hint)
			}
		})
	}
}
