package lab_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/canaryctl/canaryctl/lab/internal/cli"
	"github.com/canaryctl/canaryctl/lab/internal/controlplane"
	"github.com/canaryctl/canaryctl/lab/internal/lab"
	"github.com/canaryctl/canaryctl/lab/internal/proc"
)

// echoVariable turns this test binary into the program that Pods run.
const echoVariable = "LAB_TEST_ECHO"

// commandVariable turns it into canary-lab.
const commandVariable = "LAB_TEST_COMMAND"

func TestMain(m *testing.M) {
	controlplane.Main(os.Args)
	switch {
	case os.Getenv(echoVariable) != "":
		fmt.Fprintln(os.Stderr, echo())
		os.Exit(1)
	case os.Getenv(commandVariable) != "":
		os.Exit(cli.Main(context.Background(), os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	os.Exit(m.Run())
}

func echo() error {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getenv("APP_VERSION")) })
	return http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), handler)
}

// command runs canary-lab with arguments and returns what it wrote.
func command(t *testing.T, dir lab.Dir, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], append(arguments, "--state-dir", string(dir))...)
	cmd.Env = append(os.Environ(), commandVariable+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("canary-lab %v: %v\n%s", arguments, err, out)
	}
	return string(out)
}

// up starts a lab in the background, which is stopped with the test whatever becomes of it.
func up(t *testing.T) lab.Dir {
	t.Helper()
	path, err := os.MkdirTemp("", "lab") // t.TempDir is too long for a unix socket
	if err != nil {
		t.Fatal(err)
	}
	dir := lab.Dir(path)
	t.Cleanup(func() {
		if err := lab.Stop(context.Background(), dir); err != nil && !errors.Is(err, lab.ErrNotRunning) {
			t.Error(err)
		}
		_ = os.RemoveAll(path)
	})
	t.Log(command(t, dir, "up", "--detach", "--image", "echo="+os.Args[0]))
	return dir
}

func clientOf(t *testing.T, dir lab.Dir) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", dir.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	return kubernetes.NewForConfigOrDie(config)
}

// deploy runs two Pods of this binary behind a Service.
func deploy(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	labels := map[string]string{"app": "echo"}
	replicas := int32(2)
	_, err := client.AppsV1().Deployments("default").Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "echo"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "echo", Image: "echo:v1",
					Env:            []corev1.EnvVar{{Name: echoVariable, Value: "1"}, {Name: "APP_VERSION", Value: "v1"}},
					Ports:          []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
					ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromString("http")}}},
				}}},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.CoreV1().Services("default").Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "echo"},
		Spec:       corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http")}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLabLivesAndDies(t *testing.T) {
	first := up(t)
	client := clientOf(t, first)
	deploy(t, client)
	state, err := first.ReadState()
	if err != nil {
		t.Fatal(err)
	}
	await(t, "an answer from v1 through the router", func() bool { return get(state.Router, "echo") == "v1" })

	t.Run("sidecars are injected", func(t *testing.T) {
		pods, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{LabelSelector: "app=echo"})
		if err != nil || len(pods.Items) != 2 {
			t.Fatalf("%d Pods, %v", len(pods.Items), err)
		}
		for _, pod := range pods.Items {
			if n := len(pod.Spec.Containers); n != 2 || pod.Spec.Containers[1].Name != "istio-proxy" {
				t.Errorf("Pod %s has %d containers, the last %q", pod.Name, n, pod.Spec.Containers[n-1].Name)
			}
		}
	})
	t.Run("the API server reaches Pods and Prometheus", func(t *testing.T) {
		for _, path := range []string{
			"/api/v1/namespaces/default/services/echo:http/proxy/",
			"/api/v1/namespaces/monitoring/services/kps-kube-prometheus-stack-prometheus:9090/proxy/api/v1/query?query=1",
		} {
			uri, err := url.Parse(path)
			if err != nil {
				t.Fatal(err)
			}
			request := client.CoreV1().RESTClient().Get().AbsPath(uri.Path)
			for name, values := range uri.Query() {
				request.Param(name, values[0])
			}
			if out, err := request.DoRaw(t.Context()); err != nil {
				t.Errorf("%s: %v\n%s", path, err, out)
			}
		}
	})
	t.Run("whoever may log in finds router and Prometheus", func(t *testing.T) {
		config, err := client.CoreV1().ConfigMaps(lab.DiscoveryNamespace).Get(t.Context(), lab.DiscoveryName, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if config.Data["router"] != state.Router || config.Data["prometheus"] != state.Prometheus {
			t.Errorf("published %v, running %s and %s", config.Data, state.Router, state.Prometheus)
		}
	})
	t.Run("up again says so and is content", func(t *testing.T) {
		command(t, first, "up", "--detach")
	})
	t.Run("a second lab runs beside the first", func(t *testing.T) {
		second := up(t)
		other, err := second.ReadState()
		if err != nil {
			t.Fatal(err)
		}
		if other.Kubernetes == state.Kubernetes || other.Router == state.Router {
			t.Errorf("both labs have %s and %s", other.Kubernetes, other.Router)
		}
		if _, err := clientOf(t, second).AppsV1().Deployments("default").Get(t.Context(), "echo", metav1.GetOptions{}); err == nil {
			t.Error("the second lab has the first one's Deployment")
		}
		command(t, second, "down")
		gone(t, second, other)
		if get(state.Router, "echo") != "v1" {
			t.Error("the first lab does not answer any more")
		}
	})

	command(t, first, "down")
	gone(t, first, state)

	t.Run("what was in the cluster is there again", func(t *testing.T) {
		command(t, first, "up", "--detach")
		again, err := first.ReadState()
		if err != nil {
			t.Fatal(err)
		}
		if again.Kubernetes != state.Kubernetes {
			t.Errorf("the API server moved from %s to %s", state.Kubernetes, again.Kubernetes)
		}
		await(t, "an answer from v1 of the restarted lab", func() bool { return get(again.Router, "echo") == "v1" })

		if err := (&os.Process{Pid: again.Lab.Pid}).Kill(); err != nil {
			t.Fatal(err)
		}
		gone(t, first, again)
	})
}

// gone checks that no process and no port of a lab is left.
func gone(t *testing.T, dir lab.Dir, state lab.State) {
	t.Helper()
	await(t, "every process of the lab to die", func() bool {
		for _, id := range append([]proc.Identity{state.Lab}, state.Processes...) {
			if id.Alive() {
				return false
			}
		}
		return len(processesUsing(t, string(dir))) == 0
	})
	for _, address := range []string{state.Kubernetes, state.Router, state.Prometheus} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		listener, err := net.Listen("tcp", u.Host)
		if err != nil {
			t.Errorf("%s is still taken: %v", address, err)
			continue
		}
		_ = listener.Close()
	}
}

// processesUsing finds the processes that name a directory in their arguments or work
// below it, Pods' among them.
func processesUsing(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range all {
		if process == fmt.Sprintf("/proc/%d", os.Getpid()) {
			continue
		}
		arguments, _ := os.ReadFile(process + "/cmdline")
		cwd, _ := os.Readlink(process + "/cwd")
		if strings.Contains(string(arguments), dir) || strings.Contains(cwd, dir) {
			found = append(found, process)
		}
	}
	return found
}

func get(router, host string) string {
	request, err := http.NewRequest(http.MethodGet, router, nil)
	if err != nil {
		return err.Error()
	}
	request.Host = host
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body := make([]byte, 64)
	n, _ := response.Body.Read(body)
	return string(body[:n])
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
