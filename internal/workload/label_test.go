package workload

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

const unversioned = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: {app: shop}}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop, tier: web}}
    spec: {containers: [{name: shop, image: "shop:v1"}]}
`

func TestLabelThereAndBack(t *testing.T) {
	s := kubetest.New(t, unversioned)
	d := connect(t, s)
	spec := func() any { return s.Get(kube.Deployments(), "default", "shop").Object["spec"] }
	before := spec()
	version := map[string]string{LabelVersion: "v1"}
	if _, err := d.Label(t.Context(), "shop", "shop.default.svc", "v1", version, Options{}); err != nil {
		t.Fatal(err)
	}
	found, err := d.Behind(t.Context(), map[string]string{"app": "shop"})
	if err != nil || len(found) != 1 {
		t.Fatalf("behind the Service: %v, %v", found, err)
	}
	if diff := cmp.Diff(map[string]string{"app": "shop", "tier": "web", "version": "v1"}, found[0].Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if a := found[0].Adopted("shop.default.svc"); a == nil || a.Version != "v1" {
		t.Errorf("the record says %+v", a)
	}
	if selector := selectedBy(found[0].Object); len(selector) != 1 {
		t.Errorf("the selector is %v", selector)
	}
	if _, err := d.Unlabel(t.Context(), "shop", "shop.default.svc", Options{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, spec()); diff != "" {
		t.Errorf("there and back (-before +after):\n%s", diff)
	}
	if all := s.Get(kube.Deployments(), "default", "shop").GetAnnotations(); len(all) > 0 {
		t.Errorf("annotations are left: %v", all)
	}
}

// A label that somebody changed, or by which the Deployment selects its Pods, stays.
func TestUnlabelLeavesWhatIsNotItsOwn(t *testing.T) {
	for name, edit := range map[string]func(*unstructured.Unstructured) error{
		"changed": func(o *unstructured.Unstructured) error {
			return unstructured.SetNestedField(o.Object, "v7", "spec", "template", "metadata", "labels", "version")
		},
		"selected": func(o *unstructured.Unstructured) error {
			return unstructured.SetNestedField(o.Object, "v1", "spec", "selector", "matchLabels", "version")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New(t, unversioned)
			d := connect(t, s)
			if _, err := d.Label(t.Context(), "shop", "h", "v1", map[string]string{LabelVersion: "v1"}, Options{}); err != nil {
				t.Fatal(err)
			}
			o := s.Get(kube.Deployments(), "default", "shop")
			if err := edit(o); err != nil {
				t.Fatal(err)
			}
			s.Put(o)
			if _, err := d.Unlabel(t.Context(), "shop", "h", Options{}); err != nil {
				t.Fatal(err)
			}
			if podLabels(s.Get(kube.Deployments(), "default", "shop"))["version"] == "" {
				t.Error("the label is gone")
			}
		})
	}
}

// A Deployment that is paused would never roll.
func TestLabelRefusesAPausedDeployment(t *testing.T) {
	s := kubetest.New(t, strings.Replace(unversioned, "spec:\n  selector", "spec:\n  paused: true\n  selector", 1))
	if _, err := connect(t, s).Label(t.Context(), "shop", "h", "v1", map[string]string{LabelVersion: "v1"}, Options{}); err == nil || !strings.Contains(err.Error(), "is paused") {
		t.Errorf("error %v", err)
	}
}
