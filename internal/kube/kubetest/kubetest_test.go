package kubetest_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

const service = `
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: default, labels: {app: echo}}
spec: {selector: {app: echo}}
`

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T, s *kubetest.Server) dynamic.Interface {
	t.Helper()
	c, err := dynamic.NewForConfig(s.Config())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestServerAnswersLikeARealOne(t *testing.T) {
	s := kubetest.New(t, service)
	ctx := t.Context()
	services := client(t, s).Resource(kube.Services()).Namespace("default")

	got, err := services.Get(ctx, "echo", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	stale := got.DeepCopy()

	failed := `[{"op":"test","path":"/metadata/labels/app","value":"other"},{"op":"add","path":"/metadata/labels/x","value":"y"}]`
	if _, err := services.Patch(ctx, "echo", types.JSONPatchType, []byte(failed), metav1.PatchOptions{}); !apierrors.IsInvalid(err) {
		t.Errorf("a failed test operation was answered with %v, want 422", err)
	}
	passed := `[{"op":"test","path":"/metadata/labels/app","value":"echo"},{"op":"add","path":"/metadata/labels/x","value":"y"}]`
	dry, err := services.Patch(ctx, "echo", types.JSONPatchType, []byte(passed), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil || dry.GetLabels()["x"] != "y" {
		t.Errorf("dry run: labels %v, error %v", dry.GetLabels(), err)
	}
	if s.Get(kube.Services(), "default", "echo").GetLabels()["x"] != "" {
		t.Error("a dry run was stored")
	}
	if _, err := services.Patch(ctx, "echo", types.JSONPatchType, []byte(passed), metav1.PatchOptions{FieldManager: "me"}); err != nil {
		t.Fatal(err)
	}
	if _, err := services.Update(ctx, stale, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("an update from a stale read was answered with %v, want a conflict", err)
	}
	none, err := services.List(ctx, metav1.ListOptions{LabelSelector: "app=other"})
	if err != nil || len(none.Items) != 0 {
		t.Errorf("list by another label: %d items, error %v", len(none.Items), err)
	}

	var asked []string
	for _, r := range s.Requests() {
		asked = append(asked, r.String())
	}
	want := []string{"get services/echo", "patch services/echo", "patch services/echo (dry run)", "patch services/echo", "update services/echo", "list services"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestUnservedGroupIsToldFromMissingObject(t *testing.T) {
	s := kubetest.New(t)
	routes := client(t, s).Resource(kube.VirtualServices()).Namespace("default")
	_, err := routes.Get(t.Context(), "x", metav1.GetOptions{})
	if !apierrors.IsNotFound(err) || kube.NotServed(err) {
		t.Errorf("missing object: %v, NotServed %t", err, kube.NotServed(err))
	}
	s.Unserve("networking.istio.io")
	if _, err := routes.Get(t.Context(), "x", metav1.GetOptions{}); !kube.NotServed(err) {
		t.Errorf("unknown group: %v, NotServed false", err)
	}
}

func TestWatchShowsADeploymentsPods(t *testing.T) {
	s := kubetest.New(t)
	s.RunDeployments(nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pods, err := client(t, s).Resource(kube.Pods()).Namespace("default").Watch(ctx, metav1.ListOptions{LabelSelector: "app=echo"})
	if err != nil {
		t.Fatal(err)
	}
	defer pods.Stop()
	deployment := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "echo-v1"},
		"spec": map[string]any{"replicas": int64(1), "template": map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"app": "echo"}},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "echo", "image": "echo:v1"}}},
		}},
	}}
	deployments := client(t, s).Resource(kube.Deployments()).Namespace("default")
	if _, err := deployments.Create(ctx, deployment, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	added := <-pods.ResultChan()
	if err := deployments.Delete(ctx, "echo-v1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	deleted := <-pods.ResultChan()
	if added.Type != "ADDED" || deleted.Type != "DELETED" {
		t.Errorf("the watch showed %s, then %s", added.Type, deleted.Type)
	}
}

func TestCutLosesTheAnswerButNotTheWrite(t *testing.T) {
	s := kubetest.New(t, service)
	s.CutAfter(1, true)
	services := client(t, s).Resource(kube.Services()).Namespace("default")
	patch := []byte(`{"metadata":{"labels":{"x":"y"}}}`)
	if _, err := services.Patch(t.Context(), "echo", types.MergePatchType, patch, metav1.PatchOptions{}); err == nil {
		t.Error("the answer arrived")
	}
	if s.Get(kube.Services(), "default", "echo").GetLabels()["x"] != "y" {
		t.Error("the write was not carried out")
	}
	s.Heal()
	if _, err := services.Get(t.Context(), "echo", metav1.GetOptions{}); err != nil {
		t.Errorf("after healing: %v", err)
	}
}
