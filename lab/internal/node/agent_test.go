package node

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"

	"github.com/canaryctl/canaryctl/lab/internal/podnet"
	"github.com/canaryctl/canaryctl/lab/internal/proc"
)

const namespace = "shop"

// bench is an agent at work against a fake API, which binds Pods as a real one
// does.
type bench struct {
	t      *testing.T
	client *fake.Clientset
	agent  *Agent
	dir    string
}

func newBench(t *testing.T, objects ...runtime.Object) *bench {
	t.Helper()
	guard, err := proc.NewGuard()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := guard.Close(); err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t)
	})
	b := &bench{t: t, client: fake.NewClientset(objects...), dir: t.TempDir()}
	b.client.PrependReactor("create", "pods", b.bind)
	config := Config{
		REST: &rest.Config{}, Net: podnet.NewTable(), Starter: guard, Dir: b.dir, TLS: serving(t),
		Path: "/usr/bin:/bin", StopGrace: 10 * time.Millisecond, Random: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 3)),
	}
	if err := config.complete(); err != nil {
		t.Fatal(err)
	}
	b.agent = newAgent(config, b.client)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.agent.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-b.agent.Ready():
	case <-time.After(10 * time.Second):
		t.Fatal("the node did not become ready")
	}
	return b
}

func serving(t *testing.T) *tls.Config {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	defer server.Close()
	return server.TLS
}

// bind does what the API server does with a Binding.
func (b *bench) bind(action clienttesting.Action) (bool, runtime.Object, error) {
	create, ok := action.(clienttesting.CreateAction)
	if !ok || create.GetSubresource() != "binding" {
		return false, nil, nil
	}
	binding, ok := create.GetObject().(*corev1.Binding)
	if !ok {
		return false, nil, nil
	}
	pods := corev1.SchemeGroupVersion.WithResource("pods")
	object, err := b.client.Tracker().Get(pods, binding.Namespace, binding.Name)
	if err != nil {
		return true, nil, err
	}
	pod := object.(*corev1.Pod).DeepCopy()
	pod.Spec.NodeName = binding.Target.Name
	return true, binding, b.client.Tracker().Update(pods, pod, binding.Namespace)
}

func (b *bench) create(name string, change func(*corev1.Pod)) {
	b.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, UID: types.UID("uid-" + name)},
		Spec: corev1.PodSpec{
			SchedulerName: corev1.DefaultSchedulerName, RestartPolicy: corev1.RestartPolicyAlways,
			Containers: []corev1.Container{{Name: "app", Image: "busybox", Command: []string{"sleep", "1000"}}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
	change(pod)
	if _, err := b.client.CoreV1().Pods(namespace).Create(context.Background(), pod, metav1.CreateOptions{}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) waitFor(name, what string, ok func(*corev1.Pod) bool) {
	b.t.Helper()
	var pod *corev1.Pod
	var err error
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		pod, err = b.client.CoreV1().Pods(namespace).Get(context.Background(), name, metav1.GetOptions{})
		if err != nil {
			b.t.Fatal(err)
		}
		if ok(pod) {
			return
		}
	}
	b.t.Fatalf("waited in vain until %s %s: %+v", name, what, pod.Status)
}

func running(pod *corev1.Pod) bool { return pod.Status.Phase == corev1.PodRunning }

func TestTheNodeIsRegistered(t *testing.T) {
	b := newBench(t)
	node, err := b.client.CoreV1().Nodes().Get(context.Background(), Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if node.Status.DaemonEndpoints.KubeletEndpoint.Port != KubeletPort || node.Status.Allocatable.Cpu().IsZero() ||
		node.Status.Allocatable.Memory().IsZero() || node.Status.NodeInfo.KubeletVersion == "" {
		t.Errorf("status of the Node: %+v", node.Status)
	}
	want := []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: Address}, {Type: corev1.NodeHostName, Address: Name}}
	if diff := cmp.Diff(want, node.Status.Addresses); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
			t.Errorf("the Node is not ready: %+v", c)
		}
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		lease, err := b.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(context.Background(), Name, metav1.GetOptions{})
		if err == nil && *lease.Spec.HolderIdentity == Name {
			break
		}
		if (err != nil && !apierrors.IsNotFound(err)) || time.Now().After(deadline) {
			t.Fatalf("the lease: %v, %v", lease, err)
		}
	}
	if conn, err := b.agent.config.Net.DialContext(context.Background(), "tcp", "10.0.0.1:10250"); err != nil {
		t.Errorf("dial the kubelet: %v", err)
	} else {
		_ = conn.Close()
	}
}

func TestPodsArePlacedAndRun(t *testing.T) {
	b := newBench(t)
	b.create("web", func(*corev1.Pod) {})
	b.waitFor("web", "runs", running)
	b.create("gated", func(p *corev1.Pod) { p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "later"}} })
	b.create("foreign", func(p *corev1.Pod) { p.Spec.SchedulerName = "somebody-else" })
	b.create("after", func(*corev1.Pod) {})
	b.waitFor("after", "runs", running)
	for _, name := range []string{"gated", "foreign"} {
		b.waitFor(name, "is left alone", func(p *corev1.Pod) bool { return p.Spec.NodeName == "" })
	}
}

func TestUnschedulable(t *testing.T) {
	b := newBench(t)
	huge := corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("1000"), "memory": resource.MustParse("1Pi")}}
	for _, tt := range []struct {
		name   string
		change func(*corev1.Pod)
		want   string
	}{
		{"huge", func(p *corev1.Pod) { p.Spec.Containers[0].Resources = huge }, "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory."},
		{"ssd", func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "ssd"} }, "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."},
	} {
		b.create(tt.name, tt.change)
		b.waitFor(tt.name, "is refused", func(p *corev1.Pod) bool {
			for _, c := range p.Status.Conditions {
				if c.Type == corev1.PodScheduled {
					return c.Status == corev1.ConditionFalse && c.Reason == "Unschedulable" && strings.HasPrefix(c.Message, tt.want)
				}
			}
			return false
		})
	}
	b.create("small", func(p *corev1.Pod) {
		p.Spec.NodeSelector = map[string]string{corev1.LabelHostname: Name}
		p.Spec.Containers[0].Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("10m")}
	})
	b.waitFor("small", "runs", running)
}

func TestUnfit(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: Name, Labels: nodeLabels()}}
	node.Status.Allocatable = corev1.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("1Gi"), "pods": resource.MustParse("2")}
	pod := func(cpu string) *corev1.Pod {
		return &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{"cpu": resource.MustParse(cpu)},
		}}}}}
	}
	ended := pod("2")
	ended.Status.Phase = corev1.PodSucceeded
	for _, tt := range []struct {
		name string
		pod  *corev1.Pod
		used []*corev1.Pod
		want string
	}{
		{"fits an empty node", pod("2"), nil, ""},
		{"fits what is left", pod("500m"), []*corev1.Pod{pod("1500m")}, ""},
		{"one thousandth too much", pod("501m"), []*corev1.Pod{pod("1500m")}, "Insufficient cpu"},
		{"a Pod that has ended takes nothing", pod("2"), []*corev1.Pod{ended}, ""},
		{"as many Pods as there may be", pod("0"), []*corev1.Pod{pod("0"), pod("0")}, "Too many pods"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			used := corev1.ResourceList{}
			for _, p := range tt.used {
				add(used, requests(p))
			}
			if got := unfit(tt.pod, node, used); got != tt.want {
				t.Errorf("unfit: %q, want %q", got, tt.want)
			}
		})
	}
	node.Spec.Unschedulable = true
	if got := unfit(pod("1"), node, corev1.ResourceList{}); got != "node(s) were unschedulable" {
		t.Errorf("on a cordoned node: %q", got)
	}
}

func TestLoadStartsWhatWaitsForAnImage(t *testing.T) {
	b := newBench(t)
	b.create("shop", func(p *corev1.Pod) { p.Spec.Containers = []corev1.Container{{Name: "app", Image: "shop:v9"}} })
	b.waitFor("shop", "misses its image", func(p *corev1.Pod) bool {
		return len(p.Status.ContainerStatuses) == 1 && p.Status.ContainerStatuses[0].State.Waiting != nil &&
			p.Status.ContainerStatuses[0].State.Waiting.Reason == "ErrImagePull"
	})
	program := filepath.Join(t.TempDir(), "shop")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := b.agent.Load("shop:v9", program); err != nil {
		t.Fatal(err)
	}
	b.waitFor("shop", "runs", running)
}

func TestWhatDeletedPodsLeftIsSwept(t *testing.T) {
	dir := t.TempDir()
	a := &Agent{config: Config{Dir: dir}, pods: newPods()}
	for _, name := range []string{"pods/uid-gone/volumes", "logs/uid-gone/app"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	a.sweep()
	for _, name := range []string{"pods/uid-gone", "logs/uid-gone"} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	if _, err := New(Config{}); !errors.Is(err, errConfig) {
		t.Errorf("an empty configuration: %v", err)
	}
}
