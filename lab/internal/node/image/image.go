// Package image says which executable of this machine stands for which
// container image. The lab pulls nothing: an image is a name.
package image

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"sync"
)

// ErrUnknown says that no executable stands for an image. Its text names the
// command that mends it.
var ErrUnknown = errors.New("image is not in the lab")

// Image is what a container of an image runs, in the words of a Dockerfile. A
// Pod's command replaces Entrypoint and Cmd, its args replace Cmd.
type Image struct {
	// ID identifies the content, as an image digest does; filled by Resolve.
	ID         string
	Entrypoint []string
	Cmd        []string
}

// Executable is the image of one program of this machine.
func Executable(path string, args ...string) Image {
	return Image{Entrypoint: []string{path}, Cmd: args}
}

// Resolver finds images by name. It is safe for concurrent use.
type Resolver struct {
	mu      sync.Mutex
	images  map[string]Image
	changed chan struct{}
}

// NewResolver knows the built-in images and those given. A name without a tag
// stands for every tag of it.
func NewResolver(images map[string]Image) *Resolver {
	r := &Resolver{images: builtin(), changed: make(chan struct{})}
	for name, image := range images {
		r.images[parse(name).key()] = image
	}
	return r
}

// Load makes the executable at path stand for the named image from now on.
func (r *Resolver) Load(name, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("load image %s: %w", name, err)
	}
	if err := executable(path); err != nil {
		return fmt.Errorf("load image %s: %w", name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	images := maps.Clone(r.images)
	images[parse(name).key()] = Executable(path)
	r.images = images
	close(r.changed)
	r.changed = make(chan struct{})
	return nil
}

// Changed is closed at the next Load.
func (r *Resolver) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// Resolve returns what stands for the named image, or an error that wraps
// ErrUnknown and says what to do.
func (r *Resolver) Resolve(name string) (Image, error) {
	r.mu.Lock()
	images := r.images
	r.mu.Unlock()
	ref := parse(name)
	for _, key := range ref.keys() {
		image, ok := images[key]
		if !ok {
			continue
		}
		id, err := identify(ref.repository, image)
		if err != nil {
			return Image{}, fmt.Errorf("%w: %w; build it, or name another with: canary-lab load %s=PATH", ErrUnknown, err, name)
		}
		image.ID = id
		return image, nil
	}
	return Image{}, fmt.Errorf("%w: no executable stands for %q; name one with: canary-lab load %s=PATH", ErrUnknown, name, name)
}

// identify hashes the program, so that a rebuilt one shows as another image.
func identify(repository string, image Image) (string, error) {
	hash := sha256.New()
	if len(image.Entrypoint) > 0 && filepath.IsAbs(image.Entrypoint[0]) {
		path := image.Entrypoint[0]
		if err := executable(path); err != nil {
			return "", err
		}
		file, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer func() { _ = file.Close() }()
		if _, err := io.Copy(hash, file); err != nil {
			return "", fmt.Errorf("read %s: %w", path, err)
		}
	}
	_, _ = fmt.Fprintf(hash, "%q %q", image.Entrypoint, image.Cmd)
	return repository + "@sha256:" + hex.EncodeToString(hash.Sum(nil)), nil
}

func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("%s is not an executable file", path)
	}
	return nil
}
