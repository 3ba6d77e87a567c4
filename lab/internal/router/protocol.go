package router

import (
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// protocol is what a Service's port says that it speaks; see
// https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/
type protocol int

const (
	detected protocol = iota // the port says nothing: whatever the client speaks
	http1
	http2
	tcp
)

// protocolOf reads appProtocol, or the name of the port up to its first hyphen.
func protocolOf(port *corev1.ServicePort) protocol {
	name, _, _ := strings.Cut(port.Name, "-")
	if port.AppProtocol != nil {
		name = strings.TrimPrefix(*port.AppProtocol, "kubernetes.io/")
	}
	switch strings.ToLower(name) {
	case "http", "ws":
		return http1
	case "http2", "h2c", "grpc":
		return http2
	case "tcp", "tls", "https", "mongo", "mysql", "redis":
		return tcp
	}
	return detected
}

// transports are the ways to speak to Pods.
type transports struct{ http1, http2 *http.Transport }

// to chooses how to speak to the Pods of a cluster. A gRPC call goes over HTTP/2
// whatever the port is declared to be, which Envoy would not do: see misdeclared.
func (t *transports) to(c *cluster, req *http.Request, grpc bool) *http.Transport {
	switch {
	case req.Header.Get("Upgrade") != "": // HTTP/2 has no upgrades
		return t.http1
	case grpc, c.protocol == http2, c.protocol == detected && req.ProtoMajor == 2:
		return t.http2
	}
	return t.http1
}

func (t *transports) closeIdle() {
	t.http1.CloseIdleConnections()
	t.http2.CloseIdleConnections()
}
