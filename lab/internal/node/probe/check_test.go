package probe

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/canaryctl/canaryctl/lab/internal/podnet"
)

const podIP = "10.244.0.2"

// pod is a Pod network on which the server answers port 8080, named http.
func pod(listener string) Target {
	table := podnet.NewTable()
	table.Map(netip.MustParseAddr(podIP), 8080, listener)
	return Target{
		IP:   podIP,
		Spec: &corev1.Container{Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}},
		Dial: table.DialContext,
		Exec: func(_ context.Context, argv []string) (int, string, error) {
			if argv[0] == "broken" {
				return 0, "", errors.New("container is not running")
			}
			code, err := strconv.Atoi(argv[0])
			return code, "so it says", err
		},
	}
}

func TestHTTPCheck(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/health":
			if r.URL.RawQuery == "full" && (r.Host != "shop" || r.Header.Get("X-Probe") != "1") {
				w.WriteHeader(http.StatusTeapot)
			}
		case "/moved":
			http.Redirect(w, r, "/health", http.StatusFound)
		case "/elsewhere":
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		case "/slow":
			<-r.Context().Done()
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	target := pod(server.Listener.Addr().String())
	for _, tt := range []struct {
		name string
		get  corev1.HTTPGetAction
		want string // part of the error; "" for success
	}{
		{"by number", corev1.HTTPGetAction{Path: "/health", Port: intstr.FromInt32(8080)}, ""},
		{"by name, without a slash", corev1.HTTPGetAction{Path: "health", Port: intstr.FromString("http")}, ""},
		{"with headers", corev1.HTTPGetAction{Path: "/health?full", Port: intstr.FromInt32(8080), Host: "shop", HTTPHeaders: []corev1.HTTPHeader{{Name: "X-Probe", Value: "1"}}}, ""},
		{"redirect", corev1.HTTPGetAction{Path: "/moved", Port: intstr.FromInt32(8080)}, ""},
		{"redirect to another host", corev1.HTTPGetAction{Path: "/elsewhere", Port: intstr.FromInt32(8080)}, ""},
		{"failing", corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(8080)}, "HTTP probe failed with statuscode: 503"},
		{"too slow", corev1.HTTPGetAction{Path: "/slow", Port: intstr.FromInt32(8080)}, "deadline exceeded"},
		{"unknown port name", corev1.HTTPGetAction{Path: "/", Port: intstr.FromString("nope")}, `couldn't find port: "nope"`},
		{"nobody listens", corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(9)}, "nothing listens"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
			defer cancel()
			expect(t, NewCheck(corev1.ProbeHandler{HTTPGet: &tt.get}, target)(ctx), tt.want)
		})
	}
}

func TestOtherChecks(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	status := health.NewServer()
	status.SetServingStatus("sick", healthpb.HealthCheckResponse_NOT_SERVING)
	healthpb.RegisterHealthServer(server, status)
	go func() { _ = server.Serve(l) }()
	defer server.Stop()
	target := pod(l.Addr().String())
	sick := "sick"
	exec := func(argv ...string) corev1.ProbeHandler {
		return corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: argv}}
	}
	for _, tt := range []struct {
		name    string
		handler corev1.ProbeHandler
		want    string
	}{
		{"tcp", corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString("http")}}, ""},
		{"tcp, nobody", corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(9)}}, "nothing listens"},
		{"grpc", corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 8080}}, ""},
		{"grpc, not serving", corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 8080, Service: &sick}}, `service unhealthy (responded with "NOT_SERVING")`},
		{"exec", exec("0"), ""},
		{"exec, failing", exec("3"), "exited with 3: so it says"},
		{"exec, not possible", exec("broken"), "not running"},
		{"nothing", corev1.ProbeHandler{}, "no handler"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			expect(t, NewCheck(tt.handler, target)(ctx), tt.want)
		})
	}
}

func expect(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("failed: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("err = %v, want %q", err, want)
	}
}
