package scripts

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// demoStage has no pause between the steps.
func demoStage(t *testing.T, tools ...string) *stage {
	s := newStage(t, tools...)
	s.env = []string{"PAUSE=0"}
	return s
}

func inContext(name string) answer { return answer{"kubectl config current-context", 0, name} }

// changes are the calls that change something, less the cluster and namespace
// that each of them names.
func changes(t *testing.T, got result, context string) []string {
	t.Helper()
	var short []string
	for _, call := range mutating(got.calls) {
		rest, ok := strings.CutPrefix(call, "kubectl --context "+context+" -n default ")
		if strings.HasPrefix(call, "kubectl") && !ok {
			t.Errorf("%q names no cluster and namespace", call)
		}
		short = append(short, rest)
	}
	return short
}

func TestDemo(t *testing.T) {
	deploy := []string{
		"apply -f k8s/base/deployment-v1.yaml -f k8s/base/destinationrule.yaml -f k8s/base/virtualservice.yaml",
		"annotate virtualservice versioned-echo-virtualservice canaryctl.io/position-",
		"apply -f k8s/canary/deployment-v2.yaml",
	}
	build := []string{
		"docker build -t versioned-echo:v1 ./versioned-echo",
		"docker build --build-arg DUMMY=1 -t versioned-echo:v2 ./versioned-echo",
	}
	byFile := []string{
		"apply -f k8s/canary/vs-90-10.yaml", "apply -f k8s/canary/vs-70-30.yaml",
		"apply -f k8s/canary/vs-50-50.yaml", "apply -f k8s/canary/vs-0-100.yaml",
	}
	byCLI := func(context string) []string {
		var calls []string
		for _, w := range []string{"90 10", "70 30", "50 50", "0 100"} {
			calls = append(calls, "canaryctl --context "+context+" -n default set-traffic "+w+
				" --vs versioned-echo-virtualservice --host versioned-echo")
		}
		return calls
	}
	const (
		cliBack  = "canaryctl rollback -n default --vs versioned-echo-virtualservice --host versioned-echo"
		yamlBack = "kubectl apply -n default -f k8s/base/virtualservice.yaml"
	)
	tests := []struct {
		name    string
		context string
		tools   []string
		env     string
		want    [][]string
		back    string // the way back that it suggests
	}{
		{"Docker Desktop", "docker-desktop", []string{"kubectl", "docker"}, "",
			[][]string{build, deploy, byFile}, yamlBack},
		{"Docker Desktop with canaryctl", "docker-desktop", []string{"kubectl", "docker", "canaryctl"}, "",
			[][]string{build, deploy, byCLI("docker-desktop")}, cliBack},
		{"the lab has no use for docker", "canary-lab", []string{"kubectl", "docker", "canaryctl"}, "",
			[][]string{deploy, byCLI("canary-lab")}, cliBack},
		{"images from a registry", "elsewhere", []string{"kubectl"}, "SKIP_BUILD=1",
			[][]string{deploy, byFile}, yamlBack},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := demoStage(t, tt.tools...)
			s.env = append(s.env, tt.env)
			got := s.run(t, "demo.sh", inContext(tt.context))
			if got.code != 0 {
				t.Fatalf("exit %d\n%s", got.code, got.stderr)
			}
			var want []string
			for _, part := range tt.want {
				want = append(want, part...)
			}
			if diff := cmp.Diff(want, changes(t, got, tt.context)); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if !strings.Contains(got.stderr, "context "+tt.context+", namespace default") {
				t.Errorf("it does not say where it works:\n%s", got.stderr)
			}
			for _, next := range []string{"kubectl run curl", "curl -s http://versioned-echo/version", tt.back} {
				if !strings.Contains(got.stdout, next) {
					t.Errorf("stdout does not suggest %q:\n%s", next, got.stdout)
				}
			}
		})
	}
}

// Traffic moves only after the version that gets it is available.
func TestDemoWaitsForEachVersion(t *testing.T) {
	got := demoStage(t, "kubectl").run(t, "demo.sh", inContext("canary-lab"))
	var order []string
	for _, call := range got.calls {
		for _, mark := range []string{"rollout status deployment/versioned-echo-v1", "rollout status deployment/versioned-echo-v2",
			"deployment-v2.yaml", "vs-90-10.yaml"} {
			if strings.Contains(call, mark) {
				order = append(order, mark)
			}
		}
	}
	want := []string{"rollout status deployment/versioned-echo-v1", "deployment-v2.yaml",
		"rollout status deployment/versioned-echo-v2", "vs-90-10.yaml"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestDemoRefusesBeforeItChangesAnything(t *testing.T) {
	tests := []struct {
		name    string
		tools   []string
		env     string
		answers []answer
		says    []string
	}{
		{"no kubectl", []string{"docker"}, "", nil, []string{"kubectl is not on the PATH"}},
		{"no context", []string{"kubectl"}, "", []answer{{"kubectl config current-context", 1, ""}},
			[]string{"no current context", `eval "$(./bin/canary-lab env)"`, "use-context docker-desktop"}},
		{"API does not answer", []string{"kubectl"}, "", []answer{inContext("x"), {"kubectl * get --raw=/readyz", 1, ""}},
			[]string{"the Kubernetes API of x does not answer", "Nothing was changed"}},
		{"no Istio", []string{"kubectl"}, "", []answer{inContext("x"), {"kubectl * get crd *", 1, ""}},
			[]string{"Istio is not installed in x", "docker-desktop-istio-prom.sh"}},
		{"nothing to build with", []string{"kubectl"}, "", []answer{inContext("x")},
			[]string{"docker is not on the PATH", "SKIP_BUILD=1"}},
		{"pause is not a number", []string{"kubectl"}, "PAUSE=soon", []answer{inContext("x")},
			[]string{"PAUSE=soon is not a whole number"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := demoStage(t, tt.tools...)
			s.env = append(s.env, tt.env)
			got := s.run(t, "demo.sh", tt.answers...)
			wantFailure(t, got, tt.says...)
			if changed := mutating(got.calls); len(changed) > 0 {
				t.Errorf("it changed something: %q", changed)
			}
		})
	}
}

// A version that does not come up gets no traffic, and the reader is told where
// to look.
func TestDemoStopsWhenTheCanaryIsNotAvailable(t *testing.T) {
	got := demoStage(t, "kubectl", "canaryctl").run(t, "demo.sh", inContext("canary-lab"),
		answer{"kubectl * rollout status deployment/versioned-echo-v2 *", 1, ""})
	wantFailure(t, got, "versioned-echo-v2 is not available", "kubectl describe pod", "ErrImagePull")
	for _, call := range got.calls {
		if strings.Contains(call, "set-traffic") {
			t.Errorf("traffic moved all the same: %q", call)
		}
	}
}

func TestDemoStopsWhenTrafficCannotBeMoved(t *testing.T) {
	got := demoStage(t, "kubectl", "canaryctl").run(t, "demo.sh", inContext("canary-lab"),
		answer{"canaryctl * set-traffic 70 30 *", 1, ""})
	wantFailure(t, got)
	if last := got.calls[len(got.calls)-1]; !strings.Contains(last, "set-traffic 70 30") {
		t.Errorf("it went on to %q", last)
	}
}
