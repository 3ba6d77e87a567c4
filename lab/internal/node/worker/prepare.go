package worker

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/canaryctl/canaryctl/lab/internal/node/environ"
	"github.com/canaryctl/canaryctl/lab/internal/node/volume"
)

// prepare gives the Pod its address, its directories and its volumes, and says
// whether containers can start.
func (w *Worker) prepare(ctx context.Context) bool {
	if !w.ip.IsValid() {
		ip, err := w.Net.Allocate()
		if err != nil {
			w.unmounted("FailedCreatePodSandBox", err)
			return false
		}
		w.ip = ip
	}
	now := w.Clock.Now()
	first := w.mounted.IsZero()
	if first || volume.Changing(w.pod) && !now.Before(w.mounted.Add(volume.RefreshEvery)) {
		if err := w.mount(ctx); err != nil {
			w.unmounted("FailedMount", err)
			return !first // running containers go on with what they have
		}
		w.mounted, w.mountError = now, ""
		if first {
			w.tellAboutMounts()
		}
	}
	if volume.Changing(w.pod) {
		w.later(w.mounted.Add(volume.RefreshEvery))
	}
	return true
}

func (w *Worker) mount(ctx context.Context) error {
	if err := w.volumes.Write(ctx, w.pod, w.addresses()); err != nil {
		return err
	}
	for _, c := range w.all() {
		root := w.root(c)
		for _, dir := range []string{root, filepath.Join(root, "tmp")} {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return fmt.Errorf("make the directory of container %q: %w", c.spec.Name, err)
			}
		}
		if err := w.volumes.Link(root, c.spec); err != nil {
			return err
		}
		if err := w.writeProfile(root); err != nil {
			return fmt.Errorf("write the profile of container %q: %w", c.spec.Name, err)
		}
	}
	return nil
}

// root is the container's home directory, and what LAB_ROOT names to it.
func (w *Worker) root(c *container) string {
	return filepath.Join(w.dir, "containers", c.spec.Name)
}

// writeProfile has login shells find what other containers do: "sh -l" starts
// from the machine's /etc/profile, which sets PATH anew.
func (w *Worker) writeProfile(root string) error {
	path := "$PATH:" + quote(w.Path)
	if w.ToolDir != "" {
		path = quote(w.ToolDir) + ":" + path
	}
	return os.WriteFile(filepath.Join(root, ".profile"), []byte("PATH="+path+"\nexport PATH\n"), 0o600)
}

// quote makes one word of a text for a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// unmounted shows why containers cannot be made, once for each cause, and tries
// again soon.
func (w *Worker) unmounted(reason string, err error) {
	w.later(w.Clock.Now().Add(retryAfter))
	if err.Error() != w.mountError {
		w.mountError = err.Error()
		w.event(nil, corev1.EventTypeWarning, reason, err.Error())
	}
}

// tellAboutMounts says where a container's own mounts are to be found; the
// service account's, which every Pod has, are not worth a word.
func (w *Worker) tellAboutMounts() {
	var paths []string
	for _, c := range w.all() {
		for _, mount := range c.spec.VolumeMounts {
			if !strings.HasPrefix(mount.MountPath, "/var/run/secrets/kubernetes.io/") {
				paths = append(paths, mount.MountPath)
			}
		}
	}
	if len(paths) > 0 {
		w.event(nil, corev1.EventTypeNormal, "MountedUnderLabRoot",
			fmt.Sprintf("Containers are processes here: they find %s under $LAB_ROOT", strings.Join(paths, ", ")))
	}
}

func (w *Worker) addresses() environ.Addresses {
	return environ.Addresses{PodIP: w.ip.String(), HostIP: w.Address}
}

// release gives the Pod's address back.
func (w *Worker) release() {
	if w.ip.IsValid() {
		w.Net.Release(w.ip)
		w.ip = netip.Addr{}
	}
}
