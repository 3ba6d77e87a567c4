package mesh

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os/exec"
	"path/filepath"
)

// Pod is a workload that joins the mesh. One without HTTP and GRPC is a client.
type Pod struct {
	Name, App, Version string
	HTTP, GRPC         string // where the application answers, as 127.0.0.1:PORT
}

// Sidecar is the Envoy beside a Pod.
type Sidecar struct {
	// Address is the Pod's own: Envoy listens there at HTTPPort and GRPCPort.
	Address string
	// Admin is the base URL of Envoy's administration.
	Admin string

	mesh    Mesh
	pod     Pod
	process *process
}

// workload is what templates know about a Pod.
type workload struct {
	Pod
	Address, Istiod    string
	AdminPort, XDSPort int
	HTTPPort, GRPCPort int
}

func (m Mesh) client() workload { return m.workload(Pod{Name: "client", App: "client", Version: "v1"}) }

func (m Mesh) workload(p Pod) workload {
	return workload{
		Pod: p, Address: m.address(p.Name), Istiod: fmt.Sprintf("127.%d.0.1", m.Block),
		AdminPort: 15000, XDSPort: xdsPort, HTTPPort: HTTPPort, GRPCPort: GRPCPort,
	}
}

// Client starts the sidecar through which users call the service.
func (m Mesh) Client(ctx context.Context) (*Sidecar, error) { return m.envoy(ctx, m.client()) }

// Join makes a Pod an endpoint of the service and starts its sidecar, and returns
// once it takes requests. Both end with Withdraw and Stop.
func (m Mesh) Join(ctx context.Context, p Pod) (*Sidecar, error) {
	w := m.workload(p)
	if err := write(filepath.Join(m.configs(), p.Name+".yaml"), "pod.yaml", w); err != nil {
		return nil, err
	}
	return m.envoy(ctx, w)
}

func (m Mesh) envoy(ctx context.Context, w workload) (*Sidecar, error) {
	bootstrap := filepath.Join(m.Dir, w.Name+".envoy.yaml")
	if err := write(bootstrap, "envoy.yaml", w); err != nil {
		return nil, err
	}
	// One worker: a limit of an Envoy is the limit of a worker otherwise.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), m.Envoy, "-c", bootstrap,
		"--use-dynamic-base-id", "--concurrency", "1", "--drain-time-s", "5", "--log-level", "warning", "--component-log-level", "misc:error")
	p, err := start(m.logs(), w.Name, cmd)
	if err != nil {
		return nil, err
	}
	s := &Sidecar{
		Address: w.Address, Admin: fmt.Sprintf("http://%s:%d", w.Address, w.AdminPort),
		mesh: m, pod: w.Pod, process: p,
	}
	if err := p.until(ctx, s.ready); err != nil {
		s.process.stop()
		return nil, err
	}
	return s, m.scraped(w)
}

// ready says whether Envoy has its configuration from istiod and listens.
func (s *Sidecar) ready(ctx context.Context) error {
	if err := ok(ctx, s.Admin+"/ready"); err != nil {
		return err
	}
	var errs []error
	for _, port := range []int{HTTPPort, GRPCPort} {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("%s:%d", s.Address, port))
		if err == nil {
			err = conn.Close()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Withdraw takes the Pod out of the service; its Envoy goes on with what it has.
func (s *Sidecar) Withdraw() error {
	if err := s.mesh.Remove(s.pod.Name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Stop ends the Envoy. istiod names the Pod until it is withdrawn.
func (s *Sidecar) Stop() {
	s.process.stop()
	s.mesh.unscraped(s.pod.Name)
}
