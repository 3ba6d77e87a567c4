package manifests

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
)

func TestWeightsOfVirtualServices(t *testing.T) {
	want := map[string]string{
		"base/virtualservice.yaml":   "v1=100 v2=0",
		"canary/vs-90-10.yaml":       "v1=90 v2=10",
		"canary/vs-70-30.yaml":       "v1=70 v2=30",
		"canary/vs-50-50.yaml":       "v1=50 v2=50",
		"canary/vs-0-100.yaml":       "v1=0 v2=100",
		"argo-rollouts/rollout.yaml": "stable=100 canary=0",
	}
	got := make(map[string]string)
	for _, vs := range find[virtualService](t) {
		var weights []string
		for _, d := range vs.Value.Spec.HTTP[0].Route {
			if d.Weight == nil {
				t.Fatalf("%s: %s has no weight", vs, d.Destination.Subset)
			}
			if d.Destination.Host != vs.Value.Spec.Hosts[0] {
				t.Errorf("%s: sends %s to %s", vs, vs.Value.Spec.Hosts[0], d.Destination.Host)
			}
			weights = append(weights, fmt.Sprintf("%s=%d", d.Destination.Subset, *d.Weight))
		}
		got[vs.File] = strings.Join(weights, " ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("weights by file (-want +got):\n%s", diff)
	}
}

// A weight for a subset that no DestinationRule names is answered with 503, and
// so is one for a subset whose labels no Pod has.
func TestEverySubsetIsNamedAndHasPods(t *testing.T) {
	named := make(map[string]map[string]string) // "host subset" to labels
	for _, dr := range find[destinationRule](t) {
		for _, s := range dr.Value.Spec.Subsets {
			named[dr.Value.Spec.Host+" "+s.Name] = s.Labels
		}
	}
	for _, vs := range find[virtualService](t) {
		for _, d := range vs.Value.Spec.HTTP[0].Route {
			want, ok := named[d.Destination.Host+" "+d.Destination.Subset]
			if !ok {
				t.Errorf("%s: no DestinationRule names subset %s", vs, d.Destination.Subset)
			}
			if !slices.ContainsFunc(workloads(t), func(w workload) bool {
				return labels.SelectorFromSet(want).Matches(labels.Set(w.template.Labels))
			}) {
				t.Errorf("%s: no workload makes Pods of subset %s", vs, d.Destination.Subset)
			}
		}
	}
}

// The base alone must be enough for the YAML path and for the CLI's: v2 is named
// before it exists.
func TestBaseNamesBothVersions(t *testing.T) {
	for _, dr := range find[destinationRule](t) {
		if dr.File != "base/destinationrule.yaml" {
			continue
		}
		for _, d := range find[appsv1.Deployment](t) {
			version := d.Labels["version"]
			if !slices.ContainsFunc(dr.Value.Spec.Subsets, func(s subset) bool {
				return s.Name == version && cmp.Equal(s.Labels, map[string]string{"version": version})
			}) {
				t.Errorf("%s names no subset %s", dr, version)
			}
		}
	}
}

func TestHTTPRoute(t *testing.T) {
	services, gateways := find[corev1.Service](t), find[gateway](t)
	for _, route := range find[httpRoute](t) {
		total := 0
		for _, b := range route.Value.Spec.Rules[0].BackendRefs {
			total += b.Weight
			if !slices.ContainsFunc(services, func(s decoded[corev1.Service]) bool {
				return s.Name == b.Name && int(s.Value.Spec.Ports[0].Port) == b.Port
			}) {
				t.Errorf("%s: no Service %s with port %d", route, b.Name, b.Port)
			}
		}
		if total != 100 {
			t.Errorf("%s: weights sum to %d", route, total)
		}
		if !slices.ContainsFunc(gateways, func(g decoded[gateway]) bool {
			return g.Name == route.Value.Spec.ParentRefs[0].Name && g.Value.Spec.Listeners[0].Hostname == route.Value.Spec.Hostnames[0]
		}) {
			t.Errorf("%s: no Gateway listens for it", route)
		}
	}
}

// Both Ingresses claim the same requests; only the header tells them apart.
func TestIngressCanaryByHeader(t *testing.T) {
	byName := make(map[string]*networkingv1.Ingress)
	for _, i := range find[networkingv1.Ingress](t) {
		byName[i.Name] = i.Value
	}
	stable, canary := byName["versioned-echo"], byName["versioned-echo-canary"]
	want := map[string]string{
		"nginx.ingress.kubernetes.io/canary":                 "true",
		"nginx.ingress.kubernetes.io/canary-by-header":       "X-Canary",
		"nginx.ingress.kubernetes.io/canary-by-header-value": "v2",
	}
	if diff := cmp.Diff(want, canary.Annotations); diff != "" {
		t.Errorf("annotations of the canary (-want +got):\n%s", diff)
	}
	backend := func(i *networkingv1.Ingress) *string { return &i.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name }
	if *backend(stable) != "versioned-echo-ingress-v1" || *backend(canary) != "versioned-echo-ingress-v2" {
		t.Errorf("backends are %s and %s", *backend(stable), *backend(canary))
	}
	*backend(canary) = *backend(stable)
	if diff := cmp.Diff(stable.Spec, canary.Spec); diff != "" {
		t.Errorf("the two differ in more than the Service (-stable +canary):\n%s", diff)
	}
}

func TestRolloutSteps(t *testing.T) {
	for _, r := range find[rollout](t) {
		canary := r.Value.Spec.Strategy.Canary
		var steps []string
		for _, s := range canary.Steps {
			switch {
			case s.SetWeight != nil:
				steps = append(steps, fmt.Sprint(*s.SetWeight))
			case s.Pause != nil:
				steps = append(steps, strings.TrimSpace("pause "+s.Pause.Duration))
			}
		}
		if diff := cmp.Diff([]string{"10", "pause", "30", "pause 2m", "60", "pause 2m"}, steps); diff != "" {
			t.Errorf("%s: steps (-want +got):\n%s", r, diff)
		}
		for _, vs := range find[virtualService](t) {
			if vs.File == r.File && (vs.Name != canary.TrafficRouting.Istio.VirtualService.Name ||
				vs.Value.Spec.HTTP[0].Name != canary.TrafficRouting.Istio.VirtualService.Routes[0]) {
				t.Errorf("%s: its controller would look for another route than %s", r, vs.Name)
			}
		}
	}
}
