package volume

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/canaryctl/canaryctl/lab/internal/node/environ"
)

// payload is the content of a volume: files by their path within it.
type payload map[string][]byte

// write brings the directory to the payload, one file at a time and each at
// once, so that a reader never sees half of one.
func (p payload) write(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, data := range p {
		path := filepath.Join(dir, filepath.Join("/", name))
		if now, err := os.ReadFile(path); err == nil && bytes.Equal(now, data) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		// 0600, whatever mode was asked for: secrets of the lab are their user's.
		if err := os.WriteFile(path+".new", data, 0o600); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
	}
	return nil
}

func (v *Volumes) configMap(ctx context.Context, r *request, name string, items []corev1.KeyToPath, optional *bool) (payload, error) {
	m, err := v.source.ConfigMap(ctx, r.pod.Namespace, name)
	if err != nil {
		return nil, absent(err, optional)
	}
	data := payload{}
	for key, value := range m.Data {
		data[key] = []byte(value)
	}
	for key, value := range m.BinaryData {
		data[key] = value
	}
	return pick(data, items, optional, "ConfigMap "+name)
}

func (v *Volumes) secret(ctx context.Context, r *request, name string, items []corev1.KeyToPath, optional *bool) (payload, error) {
	s, err := v.source.Secret(ctx, r.pod.Namespace, name)
	if err != nil {
		return nil, absent(err, optional)
	}
	return pick(s.Data, items, optional, "Secret "+name)
}

// absent forgives a missing object that is optional.
func absent(err error, optional *bool) error {
	if apierrors.IsNotFound(err) && optional != nil && *optional {
		return nil
	}
	return err
}

// pick takes the items that are asked for; none means all.
func pick(data payload, items []corev1.KeyToPath, optional *bool, of string) (payload, error) {
	if len(items) == 0 {
		return data, nil
	}
	out := payload{}
	for _, item := range items {
		value, ok := data[item.Key]
		switch {
		case ok:
			out[item.Path] = value
		case optional == nil || !*optional:
			return nil, fmt.Errorf("%s has no key %q", of, item.Key)
		}
	}
	return out, nil
}

func downward(r *request, items []corev1.DownwardAPIVolumeFile) (payload, error) {
	out := payload{}
	for _, item := range items {
		var value string
		var err error
		if item.FieldRef != nil {
			value, err = environ.Field(r.pod, r.at, item.FieldRef.FieldPath)
		} else if item.ResourceFieldRef != nil {
			value, err = resourceOf(r.pod, item.ResourceFieldRef)
		}
		if err != nil {
			return nil, err
		}
		out[item.Path] = []byte(value)
	}
	return out, nil
}

func resourceOf(pod *corev1.Pod, ref *corev1.ResourceFieldSelector) (string, error) {
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; c.Name == ref.ContainerName {
			return environ.Resource(c, ref)
		}
	}
	return "", fmt.Errorf("no container %q", ref.ContainerName)
}
