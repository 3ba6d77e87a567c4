// Package volume puts a Pod's volumes into a directory of the Pod.
//
// A process has no mount namespace of its own without root, so a volume cannot
// appear at its mountPath. Instead each container has a directory, named to it
// in LAB_ROOT, in which its mount paths exist: what a container finds in
// /etc/config, a process of the lab finds in $LAB_ROOT/etc/config. Nothing is
// ever made outside the Pod's directory.
package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/lab/internal/node/environ"
)

// Source gives what volumes are filled with.
type Source interface {
	environ.Objects
	// Token requests a token for a service account.
	Token(ctx context.Context, namespace, account string, spec authenticationv1.TokenRequestSpec) (authenticationv1.TokenRequestStatus, error)
}

// Volumes are those of one Pod. They belong to one goroutine.
type Volumes struct {
	dir    string
	source Source
	clock  clock.PassiveClock
	tokens map[string]token
}

type token struct {
	value string
	renew time.Time
}

// New keeps the volumes of a Pod in dir.
func New(dir string, source Source, clock clock.PassiveClock) *Volumes {
	return &Volumes{dir: dir, source: source, clock: clock, tokens: make(map[string]token)}
}

// Write makes every volume of the Pod, or brings it up to date. What a
// person has to mend, a missing ConfigMap say, is in the error.
func (v *Volumes) Write(ctx context.Context, pod *corev1.Pod, at environ.Addresses) error {
	for _, volume := range pod.Spec.Volumes {
		if err := v.write(ctx, &request{pod: pod, at: at}, volume); err != nil {
			return fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", volume.Name, err)
		}
	}
	return nil
}

// Changing says whether the contents of a volume may change while the Pod runs.
func Changing(pod *corev1.Pod) bool {
	for _, volume := range pod.Spec.Volumes {
		if volume.ConfigMap != nil || volume.Secret != nil || volume.Projected != nil || volume.DownwardAPI != nil {
			return true
		}
	}
	return false
}

type request struct {
	pod *corev1.Pod
	at  environ.Addresses
}

// errKind says that the lab has no such storage.
var errKind = errors.New("the lab has emptyDir, hostPath, configMap, secret, downwardAPI and projected volumes only")

func (v *Volumes) write(ctx context.Context, r *request, volume corev1.Volume) error {
	dir := v.path(volume.Name)
	var files payload
	var err error
	switch {
	case volume.EmptyDir != nil:
		return os.MkdirAll(dir, 0o700)
	case volume.HostPath != nil:
		return link(volume.HostPath.Path, dir)
	case volume.ConfigMap != nil:
		s := volume.ConfigMap
		files, err = v.configMap(ctx, r, s.Name, s.Items, s.Optional)
	case volume.Secret != nil:
		s := volume.Secret
		files, err = v.secret(ctx, r, s.SecretName, s.Items, s.Optional)
	case volume.DownwardAPI != nil:
		files, err = downward(r, volume.DownwardAPI.Items)
	case volume.Projected != nil:
		files, err = v.projected(ctx, r, volume.Projected.Sources)
	default:
		err = errKind
	}
	if err != nil {
		return err
	}
	return files.write(dir)
}

func (v *Volumes) path(volume string) string { return filepath.Join(v.dir, volume) }

// Link makes the mount paths of a container exist under root.
func (v *Volumes) Link(root string, c *corev1.Container) error {
	for _, mount := range c.VolumeMounts {
		// Join with "/" first, so that no ".." leads out of the Pod's directory.
		target := filepath.Join(v.path(mount.Name), filepath.Join("/", mount.SubPath))
		if err := link(target, filepath.Join(root, filepath.Join("/", mount.MountPath))); err != nil {
			return fmt.Errorf("link volume %q for container %q: %w", mount.Name, c.Name, err)
		}
	}
	return nil
}

// link makes a symbolic link, unless something is there already: a volume that
// another is mounted over.
func link(target, at string) error {
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return err
	}
	if err := os.Symlink(target, at); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}
