package stream

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/utils/clock"
	utilexec "k8s.io/utils/exec"

	"github.com/canaryctl/canaryctl/lab/internal/node/image"
	"github.com/canaryctl/canaryctl/lab/internal/node/logs"
	"github.com/canaryctl/canaryctl/lab/internal/node/worker"
	"github.com/canaryctl/canaryctl/lab/internal/podnet"
	"github.com/canaryctl/canaryctl/lab/internal/proc"
)

// verifyNoLeak looks past what spdystream leaves by itself: a close that finds
// the connection closed by the other side waits up to ten minutes for somebody
// to ask how it went.
func verifyNoLeak(t *testing.T) {
	goleak.VerifyNone(t, goleak.IgnoreTopFunction("github.com/moby/spdystream.(*Connection).shutdown"))
}

// onePod is a node with the Pod shop/web.
type onePod struct{ pod *worker.Worker }

func (p onePod) Pod(namespace, name string) (*worker.Worker, bool) {
	return p.pod, namespace == "shop" && name == "web"
}

// kubelet is a running server with one Pod, and how to reach it.
type kubelet struct {
	t      *testing.T
	config *rest.Config
	net    *podnet.Table
	ip     string
}

// startKubelet runs the Pod, whose one container runs the script, and serves it.
func startKubelet(t *testing.T, change func(*corev1.Container), script string) *kubelet {
	t.Helper()
	guard, err := proc.NewGuard()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := guard.Close(); err != nil {
			t.Error(err)
		}
		verifyNoLeak(t)
	})
	c := corev1.Container{Name: "app", Image: "busybox", Command: []string{"sh", "-c", script}, Ports: []corev1.ContainerPort{{ContainerPort: 8080}}}
	change(&c)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "uid-1"},
		Spec:       corev1.PodSpec{NodeName: "canary-lab", RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{c}},
		Status:     corev1.PodStatus{Phase: corev1.PodPending},
	}
	dir := t.TempDir()
	client := fake.NewClientset(pod)
	table := podnet.NewTable()
	w := worker.New(&worker.Node{
		Name: "canary-lab", Address: "10.0.0.1", Client: client, Events: &record.FakeRecorder{}, Clock: clock.RealClock{},
		Images: image.NewResolver(nil), Starter: guard, Logs: logs.NewStore(filepath.Join(dir, "logs"), clock.RealClock{}),
		Net: table, Ports: worker.NewPorts(rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))), Dir: filepath.Join(dir, "pods"),
		Path: "/usr/bin:/bin", Backoff: worker.Backoff{Initial: time.Second, Max: time.Minute}, Log: slog.New(slog.DiscardHandler),
	}, pod)
	// The certificate of httptest is good for example.com; it is its own authority.
	certificates := httptest.NewUnstartedServer(nil)
	certificates.StartTLS()
	certificates.Close()
	server, err := Listen(context.Background(), certificates.TLS, onePod{w})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- server.Run(ctx) }()
	go func() { w.Run(ctx); done <- nil }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	k := &kubelet{t: t, net: table, config: &rest.Config{
		Host:            "https://" + server.Addr(),
		TLSClientConfig: rest.TLSClientConfig{Insecure: true},
	}}
	eventually(t, "the container runs", func() bool {
		pod, err := client.CoreV1().Pods("shop").Get(ctx, "web", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		w.Update(pod) // as the informer would
		k.ip = pod.Status.PodIP
		return pod.Status.Phase != corev1.PodPending
	})
	return k
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain until %s", what)
}

func (k *kubelet) url(path string, query url.Values) *url.URL {
	u, err := url.Parse(k.config.Host + path)
	if err != nil {
		k.t.Fatal(err)
	}
	u.RawQuery = query.Encode()
	return u
}

// run is "kubectl exec" or "kubectl attach", with Kubernetes' own client.
func (k *kubelet) run(ctx context.Context, verb string, command []string, o remotecommand.StreamOptions) error {
	k.t.Helper()
	flag := func(on bool) string {
		if on {
			return "1"
		}
		return "0"
	}
	query := url.Values{
		"command": command, "tty": {flag(o.Tty)}, "input": {flag(o.Stdin != nil)},
		"output": {flag(o.Stdout != nil)}, "error": {flag(o.Stderr != nil && !o.Tty)},
	}
	executor, err := remotecommand.NewSPDYExecutor(k.config, http.MethodPost, k.url("/"+verb+"/shop/web/app", query))
	if err != nil {
		k.t.Fatal(err)
	}
	return executor.StreamWithContext(ctx, o)
}

func TestExec(t *testing.T) {
	k := startKubelet(t, func(*corev1.Container) {}, "exec sleep 1000")
	for _, tt := range []struct {
		name    string
		command []string
		stdin   string
		tty     bool
		out     string
		errs    string
		code    int
	}{
		{name: "output", command: []string{"echo", "hello"}, out: "hello\n"},
		{name: "both outputs", command: []string{"sh", "-c", "echo out; echo err >&2"}, out: "out\n", errs: "err\n"},
		{name: "input", command: []string{"cat"}, stdin: "typed\n", out: "typed\n"},
		{name: "exit code", command: []string{"sh", "-c", "exit 7"}, code: 7},
		{name: "terminal", command: []string{"sh", "-c", "test -t 0 && echo terminal"}, stdin: "\n", tty: true, out: "terminal\r\n"},
		{name: "the container's environment", command: []string{"sh", "-c", "echo $POD_NAME"}, out: "web\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			options := remotecommand.StreamOptions{Stdout: &out, Stderr: &errs, Tty: tt.tty}
			if tt.tty {
				options.Stderr = nil
			}
			if tt.stdin != "" {
				options.Stdin = strings.NewReader(tt.stdin)
			}
			err := k.run(context.Background(), "exec", tt.command, options)
			var exit utilexec.ExitError
			switch {
			case tt.code != 0 && (!errors.As(err, &exit) || exit.ExitStatus() != tt.code):
				t.Errorf("err = %v, want exit code %d", err, tt.code)
			case tt.code == 0 && err != nil:
				t.Error(err)
			}
			got := out.String()
			if tt.tty {
				// What was typed is echoed, before the answer or after it.
				got = strings.TrimSuffix(strings.TrimPrefix(got, "\r\n"), "\r\n\r\n")
				got = strings.TrimSuffix(got, "\r\n") + "\r\n"
			}
			if got != tt.out || errs.String() != tt.errs {
				t.Errorf("output %q and %q, want %q and %q", got, errs.String(), tt.out, tt.errs)
			}
		})
	}
	err := k.run(context.Background(), "exec", []string{"no-such-program"}, remotecommand.StreamOptions{Stdout: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "executable file not found") {
		t.Errorf("an unknown program: %v", err)
	}
}

// sizes is a terminal that has one size.
type sizes struct{ told bool }

func (s *sizes) Next() *remotecommand.TerminalSize {
	if s.told {
		return nil
	}
	s.told = true
	return &remotecommand.TerminalSize{Width: 132, Height: 43}
}

func TestExecResizesTheTerminal(t *testing.T) {
	k := startKubelet(t, func(*corev1.Container) {}, "exec sleep 1000")
	var out bytes.Buffer
	err := k.run(context.Background(), "exec", []string{"sh", "-c", `until [ "$(stty size)" = "43 132" ]; do sleep 0.01; done; echo resized`},
		remotecommand.StreamOptions{Stdin: blocked{}, Stdout: &out, Tty: true, TerminalSizeQueue: &sizes{}})
	if err != nil || out.String() != "resized\r\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// blocked is an input that never says anything, like a person who watches.
type blocked struct{}

func (blocked) Read([]byte) (int, error) { return 0, io.EOF }

func TestAttachIsRunInteractively(t *testing.T) {
	for _, tty := range []bool{false, true} {
		t.Run(fmt.Sprintf("tty=%t", tty), func(t *testing.T) {
			k := startKubelet(t, func(c *corev1.Container) { c.Stdin, c.StdinOnce, c.TTY = true, true, tty },
				`echo early; while read line; do echo "got $line"; done; echo end`)
			var out bytes.Buffer
			if err := k.run(context.Background(), "attach", nil, remotecommand.StreamOptions{
				Stdin: strings.NewReader("one\ntwo\n"), Stdout: &out, Tty: tty,
			}); err != nil {
				t.Fatal(err)
			}
			said := strings.ReplaceAll(out.String(), "\r\n", "\n")
			for _, want := range []string{"early\n", "got one\n", "got two\n", "end\n"} {
				if !strings.Contains(said, want) {
					t.Errorf("no %q in %q", want, said)
				}
			}
		})
	}
}

func TestASessionEndsWithItsClient(t *testing.T) {
	k := startKubelet(t, func(*corev1.Container) {}, "exec sleep 1000")
	pid := &firstLine{said: make(chan string, 1)}
	ctx, hangUp := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- k.run(ctx, "exec", []string{"sh", "-c", "echo $$; exec sleep 1000"}, remotecommand.StreamOptions{Stdout: pid})
	}()
	n, err := strconv.Atoi(strings.TrimSpace(<-pid.said))
	if err != nil {
		t.Fatal(err)
	}
	hangUp()
	<-done
	eventually(t, "the command of a client that has gone is gone too", func() bool { return !proc.GroupAlive(n) })
}

// firstLine passes on what it is first told.
type firstLine struct{ said chan string }

func (f *firstLine) Write(p []byte) (int, error) {
	select {
	case f.said <- string(p):
	default:
	}
	return len(p), nil
}

func TestPortForward(t *testing.T) {
	k := startKubelet(t, func(*corev1.Container) {}, "exec sleep 1000")
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "v1") }))
	defer app.Close()
	k.net.Map(netip.MustParseAddr(k.ip), 8080, app.Listener.Addr().String())

	transport, upgrader, err := spdy.RoundTripperFor(k.config)
	if err != nil {
		t.Fatal(err)
	}
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, k.url("/portForward/shop/web", nil))
	stop, ready := make(chan struct{}), make(chan struct{})
	var errs bytes.Buffer
	forward, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{"0:8080", "0:9"}, stop, ready, io.Discard, &errs)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- forward.ForwardPorts() }()
	<-ready
	ports, err := forward.GetPorts()
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 3 {
		resp, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/version", ports[0].Local))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(body) != "v1" {
			t.Errorf("through the port-forward came %q", body)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestLogs(t *testing.T) {
	k := startKubelet(t, func(c *corev1.Container) { c.Stdin, c.StdinOnce = true, true },
		"echo one; echo two; echo three; read x; echo four")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	get := func(path string, query url.Values) (int, *http.Response) {
		t.Helper()
		resp, err := client.Get(k.url("/containerLogs/shop"+path, query).String())
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp
	}
	text := func(path string, query url.Values) (int, string) {
		code, resp := get(path, query)
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		return code, string(body)
	}
	eventually(t, "the log is written", func() bool { _, log := text("/web/app", nil); return strings.Contains(log, "three") })

	_, following := get("/web/app", url.Values{"follow": {"true"}, "tailLines": {"1"}})
	defer func() { _ = following.Body.Close() }()
	lines := bufio.NewScanner(following.Body)
	if !lines.Scan() || lines.Text() != "three" {
		t.Errorf("the follower first reads %q", lines.Text())
	}
	if err := k.run(context.Background(), "attach", nil, remotecommand.StreamOptions{Stdin: strings.NewReader("go\n"), Stdout: io.Discard}); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() || lines.Text() != "four" || lines.Scan() {
		t.Errorf("the follower then reads %q, and should have come to the end", lines.Text())
	}

	for _, tt := range []struct {
		path  string
		query url.Values
		code  int
		want  string
	}{
		{"/web/app", url.Values{"tailLines": {"2"}}, 200, "three\nfour\n"},
		{"/web/app", url.Values{"limitBytes": {"5"}}, 200, "one\nt"},
		{"/web/app", url.Values{"sinceTime": {"2999-01-01T00:00:00Z"}}, 200, ""},
		{"/web/app", url.Values{"previous": {"true"}}, 400, "previous terminated container \"app\" in pod \"web\" not found\n"},
		{"/web/app", url.Values{"tailLines": {"x"}}, 422, "tailLines: \"x\" is not a whole number from 0 on\n"},
		{"/web/none", nil, 404, "container \"none\" of Pod shop/web: container not found\n"},
		{"/none/app", nil, 404, "pod \"none\" not found in namespace \"shop\" on this node\n"},
	} {
		t.Run(tt.path+"?"+tt.query.Encode(), func(t *testing.T) {
			code, got := text(tt.path, tt.query)
			if code != tt.code {
				t.Errorf("status %d, want %d", code, tt.code)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClientsNeedACertificate(t *testing.T) {
	defer verifyNoLeak(t)
	certificates := httptest.NewUnstartedServer(nil)
	certificates.StartTLS()
	certificates.Close()
	config := certificates.TLS.Clone()
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	server, err := Listen(context.Background(), config, onePod{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	if resp, err := client.Get("https://" + server.Addr() + "/healthz"); err == nil {
		_ = resp.Body.Close()
		t.Errorf("a stranger got %s", resp.Status)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
