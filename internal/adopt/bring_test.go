package adopt_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/canaryctl/canaryctl/internal/adopt"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// plain is an application that nothing was prepared of.
func plain() adopt.Situation {
	return adopt.Situation{
		Survey: traffic.Survey{
			Namespace: "prod", Host: "shop", Canonical: "shop.prod.svc", Selector: map[string]string{"app": "shop"},
			Senders: []traffic.Sender{{Kind: "VirtualService", Name: "shop", Bare: 2}},
		},
		Deployments: []workload.Version{running("shop", "shop:1.4.2", map[string]string{"app": "shop"})},
	}
}

func running(name, image string, labels map[string]string) workload.Version {
	return workload.Version{Deployment: name, Image: image, Images: []string{image}, Labels: labels, Desired: 2, Ready: 2,
		Object: &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": name}}}}
}

// brief is a plan in lines.
func brief(p adopt.Plan) []string {
	lines := []string{p.Version}
	for _, c := range p.Changes {
		lines = append(lines, string(c.Kind)+" | "+c.Object+" | "+c.What)
	}
	return lines
}

func TestBring(t *testing.T) {
	selects := func(labels map[string]string) map[string]map[string]string {
		return map[string]map[string]string{"v1": labels}
	}
	for _, test := range []struct {
		name string
		edit func(*adopt.Situation)
		want []string
	}{
		{"nothing was prepared", func(*adopt.Situation) {}, []string{"1-4-2",
			"labels | Deployment shop | label version=1-4-2 on its Pods",
			"subset | a DestinationRule | subset 1-4-2, which selects version=1-4-2",
			"route | VirtualService shop | subset 1-4-2 in 2 destinations"}},
		{"and there is no route", func(s *adopt.Situation) { s.Survey.Senders = nil }, []string{"1-4-2",
			"labels | Deployment shop | label version=1-4-2 on its Pods",
			"subset | a DestinationRule | subset 1-4-2, which selects version=1-4-2",
			"route | a VirtualService | a route that sends all requests for shop to 1-4-2"}},
		{"a name is asked for", func(s *adopt.Situation) { s.Version = "v7" }, []string{"v7",
			"labels | Deployment shop | label version=v7 on its Pods",
			"subset | a DestinationRule | subset v7, which selects version=v7",
			"route | VirtualService shop | subset v7 in 2 destinations"}},
		{"the tag says nothing", func(s *adopt.Situation) { s.Deployments[0].Image = "shop:latest" }, []string{"v1",
			"labels | Deployment shop | label version=v1 on its Pods",
			"subset | a DestinationRule | subset v1, which selects version=v1",
			"route | VirtualService shop | subset v1 in 2 destinations"}},
		{"Pods have the label", func(s *adopt.Situation) { s.Deployments[0].Labels["version"] = "R18_943" }, []string{"r18-943",
			"subset | a DestinationRule | subset r18-943, which selects version=R18_943",
			"route | VirtualService shop | subset r18-943 in 2 destinations"}},
		{"a rule has a subset for Pods with a label", func(s *adopt.Situation) {
			s.Version = "v1"
			s.Survey.Definitions = []traffic.Definition{{Kind: "DestinationRule", Name: "shop", Versions: selects(map[string]string{"version": "v1"})}}
		}, []string{"v1",
			"labels | Deployment shop | label version=v1 on its Pods",
			"route | VirtualService shop | subset v1 in 2 destinations"}},
		{"a subset by role selects them", func(s *adopt.Situation) {
			s.Deployments[0].Labels["role"] = "primary"
			s.Survey.Definitions = []traffic.Definition{{Kind: "DestinationRule", Name: "shop", Versions: map[string]map[string]string{"primary": {"role": "primary"}}}}
		}, []string{"primary", "route | VirtualService shop | subset primary in 2 destinations"}},
		{"a subset selects a canary's Pods, too", func(s *adopt.Situation) {
			s.Version = "v1"
			s.Survey.Definitions = []traffic.Definition{{Kind: "DestinationRule", Name: "shop", Versions: selects(nil)}}
		}, []string{"v1",
			"labels | Deployment shop | label version=v1 on its Pods",
			"subset | DestinationRule shop | subset v1 has to select version=v1, and selects all",
			"route | VirtualService shop | subset v1 in 2 destinations"}},
		{"the route names a version whose subset selects nothing", func(s *adopt.Situation) {
			s.Survey.Senders = []traffic.Sender{{Kind: "VirtualService", Name: "shop", Versions: []string{"v1"}, Route: &traffic.Route{Stable: "v1"}}}
			s.Survey.Definitions = []traffic.Definition{{Kind: "DestinationRule", Name: "shop", Versions: selects(map[string]string{"version": "v1"})}}
		}, []string{"v1", "labels | Deployment shop | label version=v1 on its Pods"}},
		{"a Deployment without Pods is behind the Service, too", func(s *adopt.Situation) {
			old := running("shop-old", "shop:1", map[string]string{"app": "shop"})
			old.Desired, old.Ready = 0, 0
			s.Deployments = append(s.Deployments, old)
		}, []string{"1-4-2",
			"labels | Deployment shop | label version=1-4-2 on its Pods",
			"subset | a DestinationRule | subset 1-4-2, which selects version=1-4-2",
			"route | VirtualService shop | subset 1-4-2 in 2 destinations"}},
		{"all is there", func(s *adopt.Situation) {
			s.Deployments[0].Labels["version"] = "v1"
			s.Survey.Senders = []traffic.Sender{{Kind: "VirtualService", Name: "shop", Versions: []string{"v1"}, Route: &traffic.Route{Stable: "v1"}}}
			s.Survey.Definitions = []traffic.Definition{{Kind: "DestinationRule", Name: "shop", Versions: selects(map[string]string{"version": "v1"})}}
		}, []string{"v1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := plain()
			test.edit(&s)
			p, err := adopt.Bring(s)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, brief(p)); diff != "" {
				t.Errorf("the plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBringRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(*adopt.Situation)
		is   error
		hint string
	}{
		{"no Deployment", func(s *adopt.Situation) { s.Deployments = nil }, adopt.ErrNoVersion, "name another Service"},
		{"two", func(s *adopt.Situation) {
			s.Deployments = append(s.Deployments, running("shop-b", "shop:2", map[string]string{"app": "shop"}))
		}, adopt.ErrNoVersion, "a version is one Deployment"},
		{"the Service tells versions apart", func(s *adopt.Situation) {
			s.Survey.Selector["version"], s.Deployments[0].Labels["version"] = "v1", "v1"
		}, workload.ErrNotSelected, "take version out of the Service's selector"},
		{"routes disagree", func(s *adopt.Situation) {
			s.Survey.Senders = []traffic.Sender{{Route: &traffic.Route{Stable: "v1"}}, {Route: &traffic.Route{Stable: "v2"}}}
		}, traffic.ErrAmbiguous, "let them name one version"},
		{"a canary gets requests", func(s *adopt.Situation) {
			s.Survey.Senders[0].Route = &traffic.Route{Stable: "v1", Canary: "v2", Weights: canary.Weights{Stable: 90, Canary: 10}}
		}, traffic.ErrServing, "canaryctl promote"},
		{"several containers", func(s *adopt.Situation) { s.Deployments[0].Image = "" }, workload.ErrContainer, "--version"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := plain()
			test.edit(&s)
			_, err := adopt.Bring(s)
			if !errors.Is(err, test.is) || !strings.Contains(hint.Of(err), test.hint) {
				t.Errorf("error %v, hint %q; want %v, %q", err, hint.Of(err), test.is, test.hint)
			}
		})
	}
}

func TestRisks(t *testing.T) {
	for _, test := range []struct {
		name, spec string
		ready      int
		want       []string
	}{
		{"as it should be", `template: {spec: {containers: [{readinessProbe: {tcpSocket: {port: 80}}}]}}`, 2, nil},
		{"Recreate", `{strategy: {type: Recreate}, template: {spec: {containers: [{readinessProbe: {tcpSocket: {port: 80}}}]}}}`, 2, []string{"its strategy is Recreate"}},
		{"all may be away", `{strategy: {rollingUpdate: {maxUnavailable: 100%}}, template: {spec: {containers: [{readinessProbe: {tcpSocket: {port: 80}}}]}}}`, 2, []string{"its strategy lets 2 of 2 Pods be away"}},
		{"nothing says when a Pod is ready", `template: {spec: {containers: [{name: shop}]}}`, 2, []string{"its Pods have no readinessProbe"}},
		{"not all are ready now", `template: {spec: {containers: [{readinessProbe: {tcpSocket: {port: 80}}}]}}`, 1, []string{"only 1 of its 2 Pods are ready now"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := plain()
			var spec map[string]any
			if err := yaml.Unmarshal([]byte(test.spec), &spec); err != nil {
				t.Fatal(err)
			}
			s.Deployments[0].Object.Object["spec"], s.Deployments[0].Ready = spec, test.ready
			p, err := adopt.Bring(s)
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Risks) != len(test.want) {
				t.Fatalf("risks: %q, want %q", p.Risks, test.want)
			}
			for i, want := range test.want {
				if !strings.HasPrefix(p.Risks[i], want) {
					t.Errorf("risk %q, want %q", p.Risks[i], want)
				}
			}
		})
	}
}
