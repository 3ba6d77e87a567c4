package controlplane

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
)

// egressConfig has the API server reach Pods and nodes (logs, exec, port-forward, proxy) by
// HTTP CONNECT over a unix socket. Their addresses exist only in the lab's table, and the API
// server itself refuses to proxy to loopback.
// https://kubernetes.io/docs/tasks/extend-kubernetes/setup-konnectivity/
const egressConfig = `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport:
      uds:
        udsName: egress.sock
`

// maxSocketPath leaves room in sockaddr_un on every Unix: macOS has 104 bytes, Linux 108.
const maxSocketPath = 103

func (p *ControlPlane) writeEgressConfig() error {
	if err := os.WriteFile(p.layout.egressConfig(), []byte(egressConfig), 0o600); err != nil {
		return fmt.Errorf("write the egress configuration: %w", err)
	}
	return nil
}

// ListenUnix listens on a unix socket whose former owner, if any, is dead.
func ListenUnix(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("listen on %s: the path is longer than the %d bytes a unix socket may have; "+
			"choose a shorter --state-dir", path, maxSocketPath)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the socket of an earlier run: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return l, nil
}
