package kube_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/canaryctl/canaryctl/internal/kube"
)

func TestAuthor(t *testing.T) {
	const (
		helm       = `{manager: helm, operation: Update, time: "2026-01-02T10:00:00Z", fieldsV1: {"f:spec": {"f:template": {}}}}`
		edit       = `{manager: kubectl-edit, operation: Update, time: "2026-01-02T11:00:00Z", fieldsV1: {"f:spec": {"f:replicas": {}}}}`
		ours       = `{manager: canaryctl, operation: Update, time: "2026-01-02T11:00:00Z", fieldsV1: {"f:spec": {}}}`
		controller = `{manager: kube-controller-manager, operation: Update, subresource: status, time: "2026-01-02T12:00:00Z", fieldsV1: {"f:status": {}}}`
		notes      = `{manager: argocd, operation: Update, time: "2026-01-02T13:00:00Z", fieldsV1: {"f:metadata": {}}}`
		unsaid     = `{manager: kubetest, operation: Update}`
	)
	const nobody = "somebody the API server does not name"
	for _, c := range []struct{ name, entries, spec, any string }{
		{"nobody", ``, nobody, nobody},
		{"the last of several", helm + "," + edit, `"kubectl-edit" at 11:00:00`, `"kubectl-edit" at 11:00:00`},
		{"a controller wrote the status since", controller + "," + helm, `"helm" at 10:00:00`, `"helm" at 10:00:00`},
		{"a controller alone", controller, `"kube-controller-manager" at 12:00:00`, nobody},
		{"another in our second", ours + "," + edit, `"kubectl-edit" at 11:00:00`, `"kubectl-edit" at 11:00:00`},
		{"another wrote annotations since", helm + "," + notes, `"helm" at 10:00:00`, `"argocd" at 13:00:00`},
		{"without a time or fields", unsaid, `"kubetest"`, `"kubetest"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte("metadata: {managedFields: ["+c.entries+"]}"), &o.Object); err != nil {
				t.Fatal(err)
			}
			if got := kube.SpecAuthor(o); got != c.spec {
				t.Errorf("the spec is of %s, want %s", got, c.spec)
			}
			if got := kube.Author(o); got != c.any {
				t.Errorf("it is of %s, want %s", got, c.any)
			}
		})
	}
}
