// Package mesh runs a small Istio mesh of the real software on loopback: one istiod,
// and an Envoy for every Pod and for the client. There is no iptables: a Pod's
// Envoy listens at an address of the Pod's own, out of 127.0.0.0/8, and passes on
// to the application; a client names the Envoy's address and the service as host.
//
// Real are istiod with its configuration of routes, clusters and endpoints, and
// what Envoy does and counts. Istio's own filters are not in an upstream Envoy:
// config/requests.yaml says what stands in for them.
package mesh

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"hash/fnv"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
)

//go:embed config
var config embed.FS

// HTTPPort and GRPCPort are the ports of every service.
const (
	HTTPPort = 8080
	GRPCPort = 8081
)

// Host is what the service of an application is called by.
func Host(app string) string { return app + ".default.svc.cluster.local" }

// Programs are paths of the real ones; make dataplane brings them.
type Programs struct{ Istiod, Envoy, Prometheus string }

// Mesh is where an istiod runs, and what a Pod needs to know to join it.
type Mesh struct {
	Programs
	Dir   string // configuration, bootstraps and logs
	Block int    // addresses are 127.Block.0.0/16
}

// Istiod is a running one.
type Istiod struct {
	Mesh
	process *process
}

// Start runs an istiod that reads its configuration from files in m.Dir, which
// Apply writes, and from the API server of a kubeconfig. (Files alone do not do:
// istiod 1.31 panics where there is no API server.) Services and their endpoints are
// in files only.
func Start(ctx context.Context, m Mesh, kubeconfig string) (*Istiod, error) {
	for _, dir := range []string{m.configs(), m.logs(), m.targets()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("start a mesh: %w", err)
		}
	}
	meshConfig := filepath.Join(m.Dir, "mesh.yaml")
	if err := write(meshConfig, "mesh.yaml", m.configs()); err != nil {
		return nil, err
	}
	for _, name := range []string{"plaintext.yaml", "requests.yaml", "client.yaml"} {
		if err := write(filepath.Join(m.configs(), name), name, m.client()); err != nil {
			return nil, err
		}
	}
	at := func(port int) string { return fmt.Sprintf("127.%d.0.1:%d", m.Block, port) }
	cmd := exec.CommandContext(context.WithoutCancel(ctx), m.Istiod, "discovery",
		"--meshConfig", meshConfig, "--kubeconfig", kubeconfig, "--registries", "", "--namespace", "istio-system",
		"--grpcAddr", at(xdsPort), "--httpAddr", at(8080), "--monitoringAddr", at(15014),
		"--httpsAddr", "", "--secureGRPCAddr", "", "--ctrlz_address", fmt.Sprintf("127.%d.0.1", m.Block))
	cmd.Dir = m.Dir
	cmd.Env = append(os.Environ(),
		"PILOT_ENABLE_METADATA_EXCHANGE=false", "PILOT_ENABLE_ALPN_FILTER=false", // not in an upstream Envoy
		"ENABLE_CA_SERVER=false", "ENABLE_LEADER_ELECTION=false", "INJECTION_WEBHOOK_CONFIG_NAME=", "VALIDATION_WEBHOOK_CONFIG_NAME=")
	p, err := start(m.logs(), "istiod", cmd)
	if err != nil {
		return nil, err
	}
	i := &Istiod{Mesh: m, process: p}
	if err := p.until(ctx, func(ctx context.Context) error { return ok(ctx, "http://"+at(8080)+"/ready") }); err != nil {
		i.Stop()
		return nil, err
	}
	return i, nil
}

// Stop ends the istiod; Envoys go on with what they know.
func (i *Istiod) Stop() { i.process.stop() }

// xdsPort is where an istiod serves Envoys without TLS.
const xdsPort = 15010

func (m Mesh) configs() string { return filepath.Join(m.Dir, "config") }
func (m Mesh) logs() string    { return filepath.Join(m.Dir, "logs") }

// Serve makes a service of an application's Pods, those that joined and those to come.
func (m Mesh) Serve(app string) error {
	return write(filepath.Join(m.configs(), app+".yaml"), "service.yaml", m.workload(Pod{App: app}))
}

// Apply gives istiod a file of configuration, and replaces what had its name.
func (m Mesh) Apply(name string, text []byte) error {
	return replace(filepath.Join(m.configs(), name+".yaml"), text)
}

// Remove takes a file of configuration away.
func (m Mesh) Remove(name string) error {
	return os.Remove(filepath.Join(m.configs(), name+".yaml"))
}

// address is one of a Pod's own. Names that share one are as likely as one in
// 60,000.
func (m Mesh) address(name string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return fmt.Sprintf("127.%d.%d.%d", m.Block, 1+h.Sum32()%250, 1+h.Sum32()/250%250)
}

// write fills in a template of the folder config.
func write(path, name string, data any) error {
	t, err := template.ParseFS(config, "config/"+name)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	var text bytes.Buffer
	if err := t.Execute(&text, data); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return replace(path, text.Bytes())
}

// replace writes a file at once: istiod watches the folder.
func replace(path string, text []byte) error {
	next := path + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// ok asks whether a URL answers with 200.
func ok(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}
