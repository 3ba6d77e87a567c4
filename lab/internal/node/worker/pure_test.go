package worker

import (
	"context"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestBackoffIsTheKubelets(t *testing.T) {
	b := backoff{Backoff: Backoff{Initial: 10 * time.Second, Max: 5 * time.Minute}}
	now := time.Unix(1e9, 0)
	var waits []time.Duration
	for range 8 { // a container that ends as soon as it is started
		until := b.until(now)
		waits = append(waits, until.Sub(now)/time.Second)
		b.next(now, until)
		now = until
	}
	if diff := cmp.Diff([]time.Duration{0, 10, 20, 40, 80, 160, 300, 300}, waits); diff != "" {
		t.Errorf("waits in seconds (-want +got):\n%s", diff)
	}
	// One that ran for more than twice the longest wait begins anew.
	now = now.Add(10*time.Minute + time.Second)
	if until := b.until(now); until != now {
		t.Errorf("after a long run it waits %s", until.Sub(now))
	}
	b.next(now, now)
	if until := b.until(now); until.Sub(now) != 10*time.Second {
		t.Errorf("and then %s, want 10s", until.Sub(now))
	}
}

func TestPorts(t *testing.T) {
	tcp := func(name string, port int32) corev1.ContainerPort {
		return corev1.ContainerPort{Name: name, ContainerPort: port}
	}
	for _, tt := range []struct {
		name string
		spec corev1.Container
		want []mapping
	}{
		{"declared", corev1.Container{Ports: []corev1.ContainerPort{tcp("http", 8080), tcp("", 9090)}}, []mapping{{name: "http", port: 8080}, {port: 9090}}},
		{"UDP is no port of ours", corev1.Container{Ports: []corev1.ContainerPort{{ContainerPort: 53, Protocol: corev1.ProtocolUDP}}}, nil},
		{"by its PORT", corev1.Container{Env: []corev1.EnvVar{{Name: "PORT", Value: "3000"}}}, []mapping{{port: 3000}}},
		{"nothing said", corev1.Container{Env: []corev1.EnvVar{{Name: "PORT", Value: "http"}}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, ports(&tt.spec), cmp.AllowUnexported(mapping{})); diff != "" {
				t.Errorf("ports (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPortsAreNotGivenTwice(t *testing.T) {
	same := func() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
	p := NewPorts(same())
	first, err := p.Take(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.Take(context.Background())
	if err != nil || second == first {
		t.Fatalf("two ports: %d and %d, %v", first, second, err)
	}
	// Another lab that looks in the same place passes over what is in use.
	l, err := net.Listen("tcp", loopback(first))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if other, err := NewPorts(same()).Take(context.Background()); err != nil || other == first {
		t.Errorf("a port in use was given: %d, %v", other, err)
	}
}
