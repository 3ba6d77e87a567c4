package manifests

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const folder = "../../k8s"

// shipped loads the manifests that this package knows; the roles under rbac/ are
// tested by running canaryctl under them.
func shipped(t *testing.T) []Object {
	t.Helper()
	all, err := Load(os.DirFS(folder))
	if err != nil {
		t.Fatal(err)
	}
	var objects []Object
	for _, o := range all {
		if !strings.HasPrefix(o.File, "rbac/") {
			objects = append(objects, o)
		}
	}
	return objects
}

// decoded is an object together with its value.
type decoded[T any] struct {
	Object
	Value *T
}

// find decodes every object of type T.
func find[T any](t *testing.T) []decoded[T] {
	t.Helper()
	var found []decoded[T]
	for _, o := range shipped(t) {
		into, ok := typeOf(o).(*T)
		if !ok {
			continue
		}
		if err := o.Decode(into); err != nil {
			t.Fatal(err)
		}
		found = append(found, decoded[T]{o, into})
	}
	return found
}

// The lab guide names these files; people type them.
func TestFilesAreWhereTheGuideSays(t *testing.T) {
	want := map[string][]string{
		"base/deployment-v1.yaml":                  {"Deployment versioned-echo-v1", "Service versioned-echo"},
		"base/destinationrule.yaml":                {"DestinationRule versioned-echo"},
		"base/virtualservice.yaml":                 {"VirtualService versioned-echo-virtualservice"},
		"canary/deployment-v2.yaml":                {"Deployment versioned-echo-v2"},
		"canary/vs-90-10.yaml":                     {"VirtualService versioned-echo-virtualservice"},
		"canary/vs-70-30.yaml":                     {"VirtualService versioned-echo-virtualservice"},
		"canary/vs-50-50.yaml":                     {"VirtualService versioned-echo-virtualservice"},
		"canary/vs-0-100.yaml":                     {"VirtualService versioned-echo-virtualservice"},
		"ingress-nginx/ingress-canary-header.yaml": {"Service versioned-echo-ingress-v1", "Service versioned-echo-ingress-v2", "Ingress versioned-echo", "Ingress versioned-echo-canary"},
		"argo-rollouts/rollout.yaml":               {"Rollout versioned-echo-rollout", "Service versioned-echo-rollout", "DestinationRule versioned-echo-rollout", "VirtualService versioned-echo-rollout"},
		"gateway-api/httproute.yaml":               {"Service versioned-echo-v1", "Service versioned-echo-v2", "Gateway versioned-echo", "HTTPRoute versioned-echo"},
		"monitoring/servicemonitor.yaml":           {"ServiceMonitor versioned-echo", "PodMonitor istio-proxies"},
		"monitoring/prometheusrule.yaml":           {"PrometheusRule canary"},
		"monitoring/dashboard.yaml":                {"ConfigMap canary-dashboard"},
	}
	got := make(map[string][]string)
	for _, o := range shipped(t) {
		got[o.File] = append(got[o.File], o.Kind+" "+o.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects by file (-want +got):\n%s", diff)
	}
}

func TestEveryObjectDecodes(t *testing.T) {
	for _, o := range shipped(t) {
		into := typeOf(o)
		if into == nil {
			t.Errorf("%s: no type for %s", o, o.APIVersion)
			continue
		}
		if err := o.Decode(into); err != nil {
			t.Error(err)
		}
		if o.Labels["app"] == "" {
			t.Errorf("%s has no label app", o)
		}
		if strings.Contains(string(o.Raw), "namespace: default") {
			t.Errorf("%s names a namespace: kubectl -n says where it goes", o)
		}
	}
}

// Each alternative can be applied beside the main path: no object is in two
// files, save the route, of which k8s/canary holds a file for every step.
func TestFilesDoNotCollide(t *testing.T) {
	owner := make(map[string]string)
	for _, o := range shipped(t) {
		key := o.Kind + " " + o.Name
		if other, taken := owner[key]; taken && key != "VirtualService versioned-echo-virtualservice" {
			t.Errorf("%s is in %s and in %s", key, other, o.File)
		}
		owner[key] = o.File
	}
}

// A step of the release is two numbers; nothing else may differ between files.
func TestCanaryFilesChangeOnlyTheVersion(t *testing.T) {
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(folder + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(string(text), "apiVersion:") // less the comment
		body, _, _ = strings.Cut(body, "\n---")                // the first document
		return strings.TrimSpace(body)
	}
	v1, v2 := read("base/deployment-v1.yaml"), read("canary/deployment-v2.yaml")
	// "apps/v1" is the one v1 that is not a version of the application.
	want := strings.Replace(strings.ReplaceAll(v1, "v1", "v2"), "apps/v2", "apps/v1", 1)
	if diff := cmp.Diff(want, v2); diff != "" {
		t.Errorf("deployment-v2.yaml is not v1 with another version (-want +got):\n%s", diff)
	}
	base := read("base/virtualservice.yaml")
	for _, step := range [][2]string{{"90", "10"}, {"70", "30"}, {"50", "50"}, {"0", "100"}} {
		want := strings.NewReplacer("weight: 100", "weight: "+step[0], "weight: 0", "weight: "+step[1]).Replace(base)
		if diff := cmp.Diff(want, read("canary/vs-"+step[0]+"-"+step[1]+".yaml")); diff != "" {
			t.Errorf("vs-%s-%s.yaml is not the base with other weights (-want +got):\n%s", step[0], step[1], diff)
		}
	}
}
