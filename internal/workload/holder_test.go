package workload

import (
	"errors"
	"strings"
	"testing"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

// workloadOf is an object of a kind whose Pods have the labels.
func workloadOf(apiVersion, kind, own, pods string) string {
	return `
apiVersion: ` + apiVersion + `
kind: ` + kind + `
metadata: {name: shop-v1, labels: {` + own + `}}
spec: {template: {metadata: {labels: {` + pods + `}}}}
`
}

// podOf is a Pod that something controls.
func podOf(apiVersion, kind, name string) string {
	return `
apiVersion: v1
kind: Pod
metadata:
  name: shop-v1-0
  labels: {app: shop, version: v1}
  ownerReferences: [{apiVersion: ` + apiVersion + `, kind: ` + kind + `, name: ` + name + `, uid: "1", controller: true}]
`
}

func TestExplain(t *testing.T) {
	const labels = "app: shop, version: v1"
	const replicaSet = `
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: shop-6f5d4
  ownerReferences: [{apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: shop, uid: "2", controller: true}]
`
	for _, test := range []struct {
		name    string
		objects []string
		forbid  []string
		err     error
		says    string
		hint    string
	}{
		{"StatefulSet, by its Pods", []string{podOf("apps/v1", "StatefulSet", "shop-v1")}, nil, ErrUnsupported, "StatefulSet default/shop-v1 runs the Pods of v1, and a canary of that kind is not supported yet", "create-canary and release copy a Deployment: run shop as one"},
		{"StatefulSet, by its Pods alone", []string{podOf("apps/v1", "StatefulSet", "shop-v1")}, []string{"statefulsets", "daemonsets", "rollouts"}, ErrUnsupported, "StatefulSet default/shop-v1", ""},
		{"StatefulSet, by its template", []string{workloadOf("apps/v1", "StatefulSet", labels, labels)}, []string{"pods"}, ErrUnsupported, "StatefulSet default/shop-v1 runs the Pods of v1", ""},
		{"DaemonSet", []string{workloadOf("apps/v1", "DaemonSet", "", labels)}, nil, ErrUnsupported, "DaemonSet default/shop-v1 runs", ""},
		{"Rollout", []string{workloadOf("argoproj.io/v1alpha1", "Rollout", "", labels)}, nil, ErrUnsupported, "Rollout default/shop-v1 runs", "kubectl argo rollouts promote|abort shop-v1 -n default"},
		{"Rollout, by its Pods", []string{podOf("apps/v1", "ReplicaSet", "shop-6f5d4"), replicaSet}, nil, ErrUnsupported, "Rollout default/shop runs", ""},
		{"a kind that nobody heard of", []string{podOf("apps.kruise.io/v1", "CloneSet", "shop")}, nil, ErrUnsupported, "CloneSet default/shop runs", ""},
		{"other Pods", []string{workloadOf("apps/v1", "StatefulSet", labels, "app: shop, version: v2")}, nil, nil, "", ""},
		{"nothing may be read", []string{workloadOf("apps/v1", "StatefulSet", labels, labels)}, []string{"deployments", "pods", "statefulsets", "daemonsets", "rollouts"}, nil, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := kubetest.New(t, test.objects...)
			for _, resource := range test.forbid {
				s.Forbid("list", resource)
			}
			d := connect(t, s)
			d.backends = canary.Backends{{Version: "v1", Service: map[string]string{"app": "shop"}, Subset: map[string]string{"version": "v1"}}}
			err := d.Explain(t.Context(), "v1")
			if !errors.Is(err, test.err) || err != nil && (!strings.Contains(err.Error(), test.says) || !strings.Contains(hint.Of(err), test.hint)) {
				t.Errorf("%v\nhint: %s\nshould be %v, say %q, with hint %q", err, hint.Of(err), test.err, test.says, test.hint)
			}
		})
	}
}
