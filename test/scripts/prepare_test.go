package scripts

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const prepare = "docker-desktop-istio-prom.sh"

func prepareStage(t *testing.T) *stage {
	return newStage(t, "docker", "kubectl", "istioctl", "helm")
}

var onDockerDesktop = answer{"kubectl config current-context", 0, "docker-desktop"}

// What the script does, in which order, is what the guide promises; every call
// names the cluster, whatever another terminal does to the current context.
func TestPrepareDockerDesktop(t *testing.T) {
	got := prepareStage(t).run(t, prepare, onDockerDesktop)
	if got.code != 0 {
		t.Fatalf("exit %d\n%s", got.code, got.stderr)
	}
	want := []string{
		"kubectl config current-context",
		"kubectl --context docker-desktop get --raw=/readyz",
		"kubectl --context docker-desktop wait --for=condition=Ready node --all --timeout=180s",
		"istioctl install --context docker-desktop --set profile=default -y",
		"kubectl --context docker-desktop label namespace default istio-injection=enabled --overwrite",
		"helm repo add prometheus-community https://prometheus-community.github.io/helm-charts --force-update",
		"helm upgrade --install kps prometheus-community/kube-prometheus-stack --kube-context docker-desktop --namespace monitoring --create-namespace --values scripts/kps-values.yaml --wait --timeout 15m",
		"kubectl --context docker-desktop apply -f k8s/monitoring/",
		"kubectl --context docker-desktop wait --for=condition=Available deployment --all -n istio-system --timeout=300s",
		"kubectl --context docker-desktop wait --for=condition=Available deployment --all -n monitoring --timeout=300s",
	}
	if diff := cmp.Diff(want, got.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if !strings.Contains(got.stdout, "bash scripts/demo.sh") {
		t.Errorf("stdout does not name the next step:\n%s", got.stdout)
	}
}

func TestPrepareRefusesBeforeItChangesAnything(t *testing.T) {
	tests := []struct {
		name    string
		answers []answer
		says    []string
	}{
		{"another cluster", []answer{{"kubectl config current-context", 0, "production"}},
			[]string{`the current context is "production"`, "Nothing was changed", "kubectl config use-context docker-desktop"}},
		{"no context", []answer{{"kubectl config current-context", 1, ""}},
			[]string{"no current context", "Enable Kubernetes in Docker Desktop"}},
		{"a context whose name only begins like it", []answer{{"kubectl config current-context", 0, "docker-desktop-2"}},
			[]string{`the current context is "docker-desktop-2"`}},
		{"cluster does not answer", []answer{onDockerDesktop, {"kubectl * get --raw=/readyz", 1, ""}},
			[]string{"does not answer", "Nothing was changed", "Is Docker Desktop running"}},
		{"node not ready", []answer{onDockerDesktop, {"kubectl * wait *node*", 1, ""}},
			[]string{"not Ready after three minutes", "kubectl describe node"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := prepareStage(t).run(t, prepare, tt.answers...)
			wantFailure(t, got, tt.says...)
			if changes := mutating(got.calls); len(changes) > 0 {
				t.Errorf("it changed something: %q", changes)
			}
		})
	}
}

func TestPrepareNamesAMissingTool(t *testing.T) {
	tools := []string{"docker", "kubectl", "istioctl", "helm"}
	for i, missing := range tools {
		t.Run(missing, func(t *testing.T) {
			rest := append(append([]string{}, tools[:i]...), tools[i+1:]...)
			got := newStage(t, rest...).run(t, prepare, onDockerDesktop)
			wantFailure(t, got, missing+" is not on the PATH", "docs/lab-guide.md")
			if len(got.calls) > 0 {
				t.Errorf("it called %q", got.calls)
			}
		})
	}
}

// A failing step ends the script and says where to look.
func TestPrepareStopsAtAFailure(t *testing.T) {
	tests := []struct {
		fails string
		last  string // the last call
		says  string
	}{
		{"istioctl install *", "istioctl install", "kubectl get pods -n istio-system"},
		{"kubectl * label *", "kubectl --context docker-desktop label", ""},
		{"helm repo add *", "helm repo add", "Check the network"},
		{"helm upgrade *", "helm upgrade", "helm status kps"},
		{"kubectl * wait * -n monitoring *", "kubectl --context docker-desktop wait --for=condition=Available deployment --all -n monitoring", "kubectl get pods -n monitoring"},
	}
	for _, tt := range tests {
		t.Run(tt.fails, func(t *testing.T) {
			got := prepareStage(t).run(t, prepare, onDockerDesktop, answer{tt.fails, 1, ""})
			wantFailure(t, got, tt.says)
			if last := got.calls[len(got.calls)-1]; !strings.HasPrefix(last, tt.last) {
				t.Errorf("went on to %q after %q failed", last, tt.last)
			}
			if got.stdout != "" {
				t.Errorf("it failed and yet says what is next:\n%s", got.stdout)
			}
		})
	}
}

func TestKindStubExplainsItself(t *testing.T) {
	got := prepareStage(t).run(t, "kind-istio-prom.sh")
	wantFailure(t, got, "kind does not share images", "scripts/docker-desktop-istio-prom.sh", "canary-lab up")
	if len(got.calls) > 0 || got.stdout != "" {
		t.Errorf("the stub called %q and printed %q", got.calls, got.stdout)
	}
}

func wantFailure(t *testing.T, got result, says ...string) {
	t.Helper()
	if got.code == 0 {
		t.Errorf("exit 0\n%s", got.stderr)
	}
	for _, text := range says {
		if !strings.Contains(got.stderr, text) {
			t.Errorf("stderr does not say %q:\n%s", text, got.stderr)
		}
	}
}
