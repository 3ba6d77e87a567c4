package controlplane

import (
	"fmt"
	"os"
	"path/filepath"
)

// layout is where the control plane keeps its files, below the state directory.
type layout string

func (l layout) path(elements ...string) string {
	return filepath.Join(append([]string{string(l)}, elements...)...)
}

func (l layout) etcdData() string       { return l.path("etcd") }
func (l layout) pki(name string) string { return l.path("pki", name) }
func (l layout) log(name string) string { return l.path("logs", name+".log") }
func (l layout) kubeconfig() string     { return l.path("kubeconfig") }
func (l layout) run() string            { return l.path("run") }
func (l layout) egressConfig() string   { return l.path("run", "egress.yaml") }
func (l layout) egressSocket() string   { return l.path("run", "egress.sock") }

// make makes the directories, for nobody but their owner.
func (l layout) make() error {
	for _, dir := range []string{"", "etcd", "pki", "logs", "run"} {
		if err := os.MkdirAll(l.path(dir), 0o700); err != nil {
			return fmt.Errorf("make the lab's state directory: %w", err)
		}
	}
	return nil
}
