package workload

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

const (
	hpaYAML = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: shop
  labels: {app: shop, version: v1, app.kubernetes.io/managed-by: Helm}
  annotations: {argocd.argoproj.io/tracking-id: x, team: checkout}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop-v1}
  minReplicas: 0
  maxReplicas: 10
  metrics:
    - type: Pods
      pods: {metric: {name: rps, selector: {matchLabels: {version: v1}}}, target: {type: AverageValue, averageValue: "10"}}
status: {currentReplicas: 3}
`
	budgetYAML = `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: shop-v1}
spec: {minAvailable: 1, selector: {matchLabels: {app: shop, version: v1}}}
`
	sharedBudgetYAML = `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: shop}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: shop}}}
`
	scaledObjectYAML = `
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: shop
  labels: {scaledobject.keda.sh/name: shop}
  annotations: {autoscaling.keda.sh/paused-replicas: "0", scaledobject.keda.sh/transfer-hpa-ownership: "true"}
spec:
  scaleTargetRef: {name: shop-v1}
  idleReplicaCount: 0
  advanced: {horizontalPodAutoscalerConfig: {name: shop-hpa, behavior: {}}}
  triggers: [{type: cpu}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: shop-hpa
  ownerReferences: [{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, name: shop, uid: u, controller: true}]
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop-v1}, maxReplicas: 4}
`
	strangerYAML = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: till}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: till-v1}, maxReplicas: 4}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: till}
spec: {selector: {matchLabels: {app: till}}}
`
)

// inheriting has the canary of a stable version that objects look after made.
func inheriting(t *testing.T, objects ...string) (*kubetest.Server, Deployments, *unstructured.Unstructured) {
	t.Helper()
	s := running(t, "shop:v2")
	if err := s.Load(objects...); err != nil {
		t.Fatal(err)
	}
	return s, connect(t, s), s.Get(kube.Deployments(), "default", "shop-v2")
}

func inheritAll(t *testing.T, d Deployments, canary *unstructured.Unstructured, o Options) ([]string, error) {
	t.Helper()
	versions, err := d.Versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stable, err := d.Pick(versions, "v1")
	if err != nil {
		t.Fatal(err)
	}
	scaling, err := d.Scaling(t.Context(), stable)
	if err != nil {
		return nil, err
	}
	notes, err := d.InheritScaling(t.Context(), scaling, canary, o)
	return append(scaling.Unknown, notes...), err
}

// TestCopies looks at what the API server is sent.
func TestCopies(t *testing.T) {
	for _, c := range []struct {
		name    string
		objects []string
		want    string
	}{
		{"nothing", []string{strangerYAML}, ``},
		{"an autoscaler that goes to zero", []string{hpaYAML}, `
- apiVersion: autoscaling/v2
  kind: HorizontalPodAutoscaler
  metadata:
    name: shop-v2
    namespace: default
    labels: {app: shop, version: v2}
    annotations: {canaryctl.io/derived-from: shop, team: checkout}
    ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: shop-v2, uid: UID}]
  spec:
    scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop-v2}
    minReplicas: 1
    maxReplicas: 10
    metrics:
      - type: Pods
        pods: {metric: {name: rps, selector: {matchLabels: {version: v2}}}, target: {type: AverageValue, averageValue: "10"}}
`},
		{"KEDA", []string{scaledObjectYAML}, `
- apiVersion: keda.sh/v1alpha1
  kind: ScaledObject
  metadata:
    name: shop-v2
    namespace: default
    annotations: {canaryctl.io/derived-from: shop}
    ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: shop-v2, uid: UID}]
  spec:
    scaleTargetRef: {name: shop-v2}
    minReplicaCount: 1
    advanced: {horizontalPodAutoscalerConfig: {behavior: {}}}
    triggers: [{type: cpu}]
`},
		{"a budget of its own", []string{budgetYAML, strangerYAML}, `
- apiVersion: policy/v1
  kind: PodDisruptionBudget
  metadata:
    name: shop-v2
    namespace: default
    annotations: {canaryctl.io/derived-from: shop-v1}
    ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: shop-v2, uid: UID}]
  spec: {minAvailable: 1, selector: {matchLabels: {app: shop, version: v2}}}
`},
		{"a budget of the application's", []string{sharedBudgetYAML}, ``},
		{"both budgets", []string{sharedBudgetYAML, budgetYAML}, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, d, canary := inheriting(t, c.objects...)
			var sent []any
			show := func(verb, _, _ string, body []byte) {
				var o map[string]any
				if err := yaml.Unmarshal(body, &o); err != nil || verb != "create" {
					t.Errorf("%s %s: %v", verb, body, err)
				}
				sent = append(sent, o)
			}
			if _, err := inheritAll(t, d, canary, Options{Show: show}); err != nil {
				t.Fatal(err)
			}
			var want []any
			if err := yaml.Unmarshal([]byte(strings.ReplaceAll(c.want, "UID", string(canary.GetUID()))), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, sent); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			s.ResetRequests()
			if notes, err := inheritAll(t, d, canary, Options{}); err != nil || len(notes) > 0 {
				t.Errorf("once more: %q, %v", notes, err)
			}
		})
	}
}

func TestInheritScalingCostsTwoRequestsForNothing(t *testing.T) {
	s, d, canary := inheriting(t)
	if notes, err := inheritAll(t, d, canary, Options{}); err != nil || len(notes) > 0 {
		t.Errorf("%q, %v", notes, err)
	}
	want := []string{"list deployments", "list horizontalpodautoscalers", "list poddisruptionbudgets"}
	if got := slices.Sorted(slices.Values(asked(s))); !cmp.Equal(got, want) {
		t.Errorf("requests %q", got)
	}
}

func TestInheritScalingGoesOn(t *testing.T) {
	later := func(uid string) string {
		return `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: shop-v2, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: shop-v2, uid: "` + uid + `"}]}
spec: {minAvailable: 1, selector: {matchLabels: {app: nobody}}}
`
	}
	for _, c := range []struct {
		name string
		harm func(*kubetest.Server)
		want []string
		err  string
	}{
		{"forbidden to read", func(s *kubetest.Server) {
			s.Forbid("list", "horizontalpodautoscalers")
			s.Forbid("list", "poddisruptionbudgets")
		},
			[]string{"what looks after the number of Pods of shop-v1 is not known: HorizontalPodAutoscalers and PodDisruptionBudgets may not be read; k8s/rbac/optional/autoscaling.yaml grants that"}, ""},
		{"forbidden to write", func(s *kubetest.Server) { s.Forbid("create", "") },
			[]string{`PodDisruptionBudget shop-v2: not created, so that the canary goes without: poddisruptionbudgets.policy is forbidden: User "test" cannot create resource "poddisruptionbudgets" in API group "policy" in the namespace "default"`}, ""},
		{"not known to the cluster", func(s *kubetest.Server) { s.Unserve("policy") }, nil, ""},
		{"a server that fails", func(s *kubetest.Server) { s.Fail(func(kubetest.Request) error { return errors.New("no leader") }) }, nil, "no leader"},
		{"one that is not ours", func(s *kubetest.Server) {
			if err := s.Load(strings.ReplaceAll(later(""), "ownerReferences", "x")); err != nil {
				t.Error(err)
			}
		}, []string{"PodDisruptionBudget shop-v2: not created: there is one that is not the canary's, which is left alone"}, ""},
		{"one of an earlier canary, which the garbage collector takes", func(s *kubetest.Server) {
			if err := s.Load(later("gone")); err != nil {
				t.Error(err)
			}
			tries := 0
			s.Fail(func(r kubetest.Request) error {
				if r.Verb == "create" {
					if tries++; tries == 2 {
						s.Delete(kube.PodDisruptionBudgets(), "default", "shop-v2")
					}
				}
				return nil
			})
		}, []string{"PodDisruptionBudget shop-v2: created from shop-v1"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, d, canary := inheriting(t, budgetYAML)
			versions, err := d.Versions(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c.harm(s)
			scaling, err := d.Scaling(t.Context(), versions[0])
			var notes []string
			if err == nil {
				notes, err = d.InheritScaling(t.Context(), scaling, canary, Options{})
			}
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if diff := cmp.Diff(c.want, slices.Concat(scaling.Unknown, notes)); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// TestInheritScalingIsCutShort is killed between any two requests, and done again.
func TestInheritScalingIsCutShort(t *testing.T) {
	for n := range 6 {
		for _, lost := range []bool{false, true} {
			s, d, canary := inheriting(t, hpaYAML, budgetYAML)
			versions, err := d.Versions(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s.CutAfter(n, lost)
			d = asPeopleDo(t, s)
			if scaling, err := d.Scaling(t.Context(), versions[0]); err == nil {
				_, _ = d.InheritScaling(t.Context(), scaling, canary, Options{}) // what it came to is looked at below
			}
			s.Heal()
			if _, err := inheritAll(t, d, canary, Options{}); err != nil {
				t.Errorf("cut after %d requests: %v", n, err)
			}
			if hpas, budgets := len(s.List(kube.HorizontalPodAutoscalers(), "default")), len(s.List(kube.PodDisruptionBudgets(), "default")); hpas != 2 || budgets != 2 {
				t.Errorf("cut after %d requests: %d autoscalers and %d budgets, want 2 of each", n, hpas, budgets)
			}
		}
	}
}

func TestInheritScalingDry(t *testing.T) {
	for _, o := range []Options{{ServerDryRun: true}, {ClientDryRun: true}} {
		s, d, canary := inheriting(t, hpaYAML)
		notes, err := inheritAll(t, d, canary, o)
		if want := []string{"HorizontalPodAutoscaler shop-v2: created from shop"}; err != nil || !cmp.Equal(notes, want) {
			t.Errorf("%q, %v", notes, err)
		}
		if got := len(s.List(kube.HorizontalPodAutoscalers(), "default")); got != 1 {
			t.Errorf("a dry run left %d autoscalers", got)
		}
	}
}

// A Deployment that selects all of an application's Pods is scaled by the canary's load,
// too; which is said, and no reason to go without.
func TestInheritScalingOfASelectorWithoutAVersion(t *testing.T) {
	s, d, canary := inheriting(t, hpaYAML, sharedBudgetYAML)
	stable := s.Get(kube.Deployments(), "default", "shop-v1")
	unstructured.RemoveNestedField(stable.Object, "spec", "selector", "matchLabels", "version")
	s.Put(stable)
	notes, err := inheritAll(t, d, canary, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"HorizontalPodAutoscaler shop also counts the canary's Pods, as the selector of shop-v1 means them, too: it goes by the load of both",
		"HorizontalPodAutoscaler shop-v2: created from shop",
	}
	if diff := cmp.Diff(want, notes); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestLeft(t *testing.T) {
	_, d, canary := inheriting(t, hpaYAML, budgetYAML, sharedBudgetYAML, strangerYAML)
	if _, err := inheritAll(t, d, canary, Options{}); err != nil {
		t.Fatal(err)
	}
	versions, err := d.Versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{{"shop", "shop-v1"}, nil} { // the canary's own go with it
		scaling, err := d.Scaling(t.Context(), versions[i])
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range scaling.Left(versions) {
			got = append(got, o.GetName())
		}
		if !cmp.Equal(want, got) {
			t.Errorf("%s leaves %q, want %q", versions[i].Deployment, got, want)
		}
		if autoscaled := scaling.Autoscaled(versions[i].Deployment); !autoscaled {
			t.Errorf("%s is not autoscaled", versions[i].Deployment)
		}
	}
}

// TestConfigMapsAndSecretsAreNeverCopied: both versions read the same.
func TestConfigMapsAndSecretsAreNeverCopied(t *testing.T) {
	s, d, canary := inheriting(t, hpaYAML, budgetYAML, `
apiVersion: v1
kind: ConfigMap
metadata: {name: shop-v1, labels: {app: shop, version: v1}}
---
apiVersion: v1
kind: Secret
metadata: {name: shop-v1, labels: {app: shop, version: v1}}
`)
	if _, err := inheritAll(t, d, canary, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.Requests() {
		if r.Resource == "configmaps" || r.Resource == "secrets" {
			t.Errorf("%s", r)
		}
	}
}
