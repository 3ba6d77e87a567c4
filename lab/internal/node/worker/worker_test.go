package worker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/lab/internal/node/image"
	"github.com/canaryctl/canaryctl/lab/internal/node/logs"
	"github.com/canaryctl/canaryctl/lab/internal/podnet"
	"github.com/canaryctl/canaryctl/lab/internal/proc"
)

const namespace = "shop"

// cluster is an API that holds one Pod at a time, and a node's worker for it.
type cluster struct {
	t      *testing.T
	client *fake.Clientset
	node   *Node
	worker *Worker
	events *eventLog
	stop   context.CancelFunc
	done   chan struct{}
}

// eventLog keeps what was told, as "REASON message".
type eventLog struct {
	mu    sync.Mutex
	lines []string
}

func (e *eventLog) Event(_ runtimeObject, _, reason, message string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines = append(e.lines, reason+" "+message)
}

func (e *eventLog) Eventf(o runtimeObject, kind, reason, format string, args ...any) {
	e.Event(o, kind, reason, fmt.Sprintf(format, args...))
}

func (e *eventLog) AnnotatedEventf(o runtimeObject, _ map[string]string, kind, reason, format string, args ...any) {
	e.Eventf(o, kind, reason, format, args...)
}

func (e *eventLog) has(text string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Contains(strings.Join(e.lines, "\n"), text)
}

var _ record.EventRecorder = (*eventLog)(nil)

// source reads the fake API, and gives every service account the same token.
type source struct{ client kubernetes.Interface }

func (s source) ConfigMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error) {
	return s.client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
}

func (s source) Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	return s.client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
}

func (source) Token(context.Context, string, string, authenticationv1.TokenRequestSpec) (authenticationv1.TokenRequestStatus, error) {
	return authenticationv1.TokenRequestStatus{Token: "token", ExpirationTimestamp: metav1.NewTime(time.Now().Add(time.Hour))}, nil
}

func newCluster(t *testing.T) *cluster {
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
	dir := t.TempDir()
	c := &cluster{t: t, client: fake.NewClientset(), events: &eventLog{}}
	c.node = &Node{
		Name: "canary-lab", Address: "10.0.0.1", Client: c.client, Source: source{c.client}, Events: c.events,
		Clock: clock.RealClock{}, Images: image.NewResolver(nil), Starter: guard,
		Logs: logs.NewStore(filepath.Join(dir, "logs"), clock.RealClock{}), Net: podnet.NewTable(),
		Ports: NewPorts(rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))), Dir: filepath.Join(dir, "pods"),
		Path: "/usr/bin:/bin", ProxyURL: "http://127.0.0.1:15001", ToolDir: filepath.Join(dir, "it's tools"),
		Backoff: Backoff{Initial: 20 * time.Millisecond, Max: time.Second}, StopGrace: 100 * time.Millisecond,
		Log: slog.New(slog.DiscardHandler),
	}
	t.Cleanup(c.end)
	return c
}

// shell is a container that runs a script.
func shell(name, script string) corev1.Container {
	return corev1.Container{Name: name, Image: "busybox", Command: []string{"sh", "-c", script}}
}

func newPod(policy corev1.RestartPolicy, containers ...corev1.Container) *corev1.Pod {
	grace := int64(5)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: namespace, UID: types.UID("uid-1"), Labels: map[string]string{"app": "web"}},
		Spec: corev1.PodSpec{
			NodeName: "canary-lab", RestartPolicy: policy, Containers: containers, TerminationGracePeriodSeconds: &grace,
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
}

// run puts the Pod into the API and starts its worker.
func (c *cluster) run(pod *corev1.Pod) {
	c.t.Helper()
	created, err := c.client.CoreV1().Pods(namespace).Create(context.Background(), pod, metav1.CreateOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	c.resume(created)
}

func (c *cluster) resume(pod *corev1.Pod) {
	ctx, cancel := context.WithCancel(context.Background())
	c.worker, c.stop, c.done = New(c.node, pod), cancel, make(chan struct{})
	go func(w *Worker, done chan struct{}) { defer close(done); w.Run(ctx) }(c.worker, c.done)
}

func (c *cluster) end() {
	if c.stop != nil {
		c.stop()
		<-c.done
	}
}

func (c *cluster) pod() *corev1.Pod {
	c.t.Helper()
	pod, err := c.client.CoreV1().Pods(namespace).Get(context.Background(), "web", metav1.GetOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	return pod
}

// update changes the Pod and tells the worker, as the informer would.
func (c *cluster) update(change func(*corev1.Pod)) {
	c.t.Helper()
	pod := c.pod()
	change(pod)
	pod, err := c.client.CoreV1().Pods(namespace).Update(context.Background(), pod, metav1.UpdateOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	c.worker.Update(pod)
}

func (c *cluster) delete(grace int64) {
	c.update(func(pod *corev1.Pod) {
		at := metav1.NewTime(time.Now().Add(time.Duration(grace) * time.Second))
		pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &at, &grace
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain until %s", what)
}

// waitFor waits until the Pod in the API is as wanted.
func (c *cluster) waitFor(what string, ok func(*corev1.Pod) bool) {
	c.t.Helper()
	eventually(c.t, what, func() bool { return ok(c.pod()) })
}

func (c *cluster) waitForPhase(want corev1.PodPhase) {
	c.t.Helper()
	c.waitFor("the phase is "+string(want), func(p *corev1.Pod) bool { return p.Status.Phase == want })
}

func (c *cluster) waitForEvent(text string) {
	c.t.Helper()
	eventually(c.t, "an event says "+text, func() bool { return c.events.has(text) })
}

func status(p *corev1.Pod, i int) corev1.ContainerStatus {
	if i >= len(p.Status.ContainerStatuses) {
		return corev1.ContainerStatus{}
	}
	return p.Status.ContainerStatuses[i]
}

func waiting(p *corev1.Pod, i int) string {
	if w := status(p, i).State.Waiting; w != nil {
		return w.Reason
	}
	return ""
}

func condition(p *corev1.Pod, kind corev1.PodConditionType) corev1.ConditionStatus {
	for _, c := range p.Status.Conditions {
		if c.Type == kind {
			return c.Status
		}
	}
	return ""
}

func (c *cluster) log(container string) string {
	var out bytes.Buffer
	if err := c.worker.ReadLog(context.Background(), container, false, logs.Options{}, &out); err != nil {
		return ""
	}
	return out.String()
}

// server is a program that answers HTTP on PORT: the tests' own binary.
func server(t *testing.T) corev1.Container {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return corev1.Container{
		Name: "app", Image: "busybox", Command: []string{self},
		Env:   []corev1.EnvVar{{Name: "WORKER_TEST_SERVER", Value: "1"}, {Name: "PORT", Value: "8080"}},
		Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
	}
}

func TestMain(m *testing.M) {
	if os.Getenv("WORKER_TEST_SERVER") != "" {
		serve()
	}
	os.Exit(m.Run())
}

// serve answers 200, and 500 once /break was asked for.
func serve() {
	l, err := net.Listen("tcp", os.Getenv("HOST")+":"+os.Getenv("PORT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	broken := false
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		broken = broken || r.URL.Path == "/break"
		if broken {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, os.Getenv("POD_NAME"))
	}))
}
