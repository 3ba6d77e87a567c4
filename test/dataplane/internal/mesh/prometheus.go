package mesh

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Prometheus is a running one, which scrapes every Envoy each second.
type Prometheus struct {
	URL     string
	process *process
}

// Observe starts the Prometheus of the mesh.
func (m Mesh) Observe(ctx context.Context) (*Prometheus, error) {
	file := filepath.Join(m.Dir, "prometheus.yaml")
	if err := write(file, "prometheus.yaml", struct{ Targets string }{m.targets()}); err != nil {
		return nil, err
	}
	at := fmt.Sprintf("127.%d.0.1:9090", m.Block)
	cmd := exec.CommandContext(context.WithoutCancel(ctx), m.Prometheus, "--config.file", file,
		"--web.listen-address", at, "--storage.tsdb.path", filepath.Join(m.Dir, "tsdb"))
	p, err := start(m.logs(), "prometheus", cmd)
	if err != nil {
		return nil, err
	}
	url := "http://" + at
	if err := p.until(ctx, func(ctx context.Context) error { return ok(ctx, url+"/-/ready") }); err != nil {
		p.stop()
		return nil, err
	}
	return &Prometheus{URL: url, process: p}, nil
}

// Stop ends it.
func (p *Prometheus) Stop() { p.process.stop() }

func (m Mesh) targets() string { return filepath.Join(m.Dir, "targets") }

// scraped makes an Envoy a target of Prometheus, with the labels of its Pod.
func (m Mesh) scraped(w workload) error {
	text, err := json.Marshal([]map[string]any{{
		"targets": []string{fmt.Sprintf("%s:%d", w.Address, w.AdminPort)},
		"labels":  map[string]string{"namespace": "default", "pod": w.Name, "app": w.App},
	}})
	if err != nil {
		return err
	}
	return replace(filepath.Join(m.targets(), w.Name+".json"), text)
}

func (m Mesh) unscraped(name string) { _ = os.Remove(filepath.Join(m.targets(), name+".json")) }
