// Package probe asks containers how they are, by the rules of the kubelet.
//
// https://kubernetes.io/docs/concepts/workloads/pods/probes/
package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Target is the container that a probe asks.
type Target struct {
	IP   string
	Spec *corev1.Container
	// Dial reaches the Pod's nominal address.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Exec runs a command in the container.
	Exec func(ctx context.Context, argv []string) (code int, output string, err error)
}

// Check asks once. Its error says what was wrong, in the kubelet's words.
type Check func(ctx context.Context) error

// NewCheck returns the check that a probe's handler asks for. A handler that
// makes no sense, for a port that has no such name, is a check that says so.
func NewCheck(handler corev1.ProbeHandler, target Target) Check {
	check, err := newCheck(handler, target)
	if err != nil {
		return func(context.Context) error { return err }
	}
	return check
}

func newCheck(h corev1.ProbeHandler, t Target) (Check, error) {
	switch {
	case h.Exec != nil:
		return execCheck(t, h.Exec.Command), nil
	case h.HTTPGet != nil:
		port, err := portOf(h.HTTPGet.Port, t.Spec)
		if err != nil {
			return nil, err
		}
		return httpCheck(t, h.HTTPGet, port), nil
	case h.TCPSocket != nil:
		port, err := portOf(h.TCPSocket.Port, t.Spec)
		if err != nil {
			return nil, err
		}
		return tcpCheck(t, port), nil
	case h.GRPC != nil:
		return grpcCheck(t, h.GRPC), nil
	}
	return nil, errors.New("the probe has no handler")
}

func portOf(port intstr.IntOrString, c *corev1.Container) (string, error) {
	if port.Type == intstr.Int {
		return strconv.Itoa(port.IntValue()), nil
	}
	for _, p := range c.Ports {
		if p.Name == port.StrVal {
			return strconv.Itoa(int(p.ContainerPort)), nil
		}
	}
	if n, err := strconv.Atoi(port.StrVal); err == nil {
		return strconv.Itoa(n), nil
	}
	return "", fmt.Errorf("couldn't find port: %q", port.StrVal)
}

func tcpCheck(t Target, port string) Check {
	return func(ctx context.Context) error {
		conn, err := t.Dial(ctx, "tcp", net.JoinHostPort(t.IP, port))
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

func execCheck(t Target, argv []string) Check {
	return func(ctx context.Context) error {
		code, output, err := t.Exec(ctx, argv)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("command timed out: %q", argv)
		case err != nil:
			return err
		case code != 0:
			return fmt.Errorf("command %q exited with %d: %s", argv, code, output)
		}
		return nil
	}
}
