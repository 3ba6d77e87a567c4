package controlplane_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/canaryctl/canaryctl/lab/internal/controlplane"
	"github.com/canaryctl/canaryctl/lab/internal/podnet"
	"github.com/canaryctl/canaryctl/lab/internal/proc"
)

func TestMain(m *testing.M) {
	controlplane.Main(os.Args) // the children are this test binary
	os.Exit(m.Run())
}

// start runs a control plane until the returned function is called.
func start(t *testing.T, dir string, port int) (*controlplane.ControlPlane, func() error) {
	t.Helper()
	guard, err := proc.NewGuard()
	if err != nil {
		t.Fatal(err)
	}
	plane, err := controlplane.New(controlplane.Config{
		Dir:          dir,
		Guard:        guard,
		ServeConnect: podnet.NewTable().ServeConnect,
		Port:         port,
		NodeAddress:  net.IPv4(10, 0, 0, 1),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- plane.Run(ctx) }()
	began := time.Now()
	select {
	case <-plane.Ready():
		t.Logf("ready after %s", time.Since(began).Round(time.Millisecond))
	case err := <-done:
		t.Fatalf("the control plane ended before it was ready: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("the control plane was not ready within a minute")
	}
	return plane, func() error {
		cancel()
		err := <-done
		_ = guard.Close()
		return err
	}
}

func TestControlPlane(t *testing.T) {
	dir := t.TempDir()
	plane, stop := start(t, dir, 0)
	client := kubernetes.NewForConfigOrDie(plane.RESTConfig("test"))
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if version.GitVersion != controlplane.KubernetesVersion {
		t.Errorf("the API server says it is %q, want %q", version.GitVersion, controlplane.KubernetesVersion)
	}

	deployments := client.AppsV1().Deployments("default")
	if _, err := deployments.Create(t.Context(), deployment("web", 2), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	await(t, "two Pods of the Deployment", func() bool {
		pods, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{LabelSelector: "app=web"})
		return err == nil && len(pods.Items) == 2
	})
	t.Logf("Pods after %s", time.Since(began).Round(time.Millisecond))
	for _, process := range plane.Processes() {
		t.Logf("%-24s %3d MiB", process.Name, proc.RSS(process.Pid)>>20)
	}

	killed := pidOf(t, plane, "kube-apiserver")
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "the API server again", func() bool {
		_, err := deployments.Get(t.Context(), "web", metav1.GetOptions{})
		return err == nil && pidOf(t, plane, "kube-apiserver") != killed
	})

	processes := plane.Processes()
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	for _, process := range processes {
		if proc.GroupAlive(process.Pid) {
			t.Errorf("%s survived", process.Name)
		}
	}

	// Once more on the same state: same port, same authority, the Deployment still there.
	again, stop := start(t, dir, plane.Port())
	if again.Port() != plane.Port() {
		t.Errorf("port %d became %d although it was free", plane.Port(), again.Port())
	}
	if _, err := deployments.Get(t.Context(), "web", metav1.GetOptions{}); err != nil {
		t.Errorf("with the credentials and the port of the first run: %v", err)
	}
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func pidOf(t *testing.T, plane *controlplane.ControlPlane, name string) int {
	t.Helper()
	for _, process := range plane.Processes() {
		if process.Name == name {
			return process.Pid
		}
	}
	t.Fatalf("no process is called %s", name)
	return 0
}

func TestSecretsArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	guard, err := proc.NewGuard()
	if err != nil {
		t.Fatal(err)
	}
	defer guard.Close()
	_, err = controlplane.New(controlplane.Config{
		Dir: dir, Guard: guard, ServeConnect: podnet.NewTable().ServeConnect, NodeAddress: net.IPv4(10, 0, 0, 1),
	})
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	err = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s: others may look", path, info.Mode())
		}
		if info.Mode().IsRegular() {
			files++
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Errorf("walked %d files: %v", files, err)
	}
}

func TestVersionIsThatOfTheModule(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(out)); got != controlplane.KubernetesVersion {
		t.Errorf("go.mod requires k8s.io/kubernetes %s, the constant says %s", got, controlplane.KubernetesVersion)
	}
}

func deployment(name string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web"}}},
			},
		},
	}
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
