package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// echoImage is the demo service. Its program lies beside the lab's, as `make build` puts it.
const echoImage = "versioned-echo"

// images are those known from the start: the demo service, those loaded in earlier runs, and
// those given now, each outdoing the one before.
func (d Dir) images(executable string, given map[string]string) (map[string]string, error) {
	images := map[string]string{}
	beside := filepath.Join(filepath.Dir(executable), echoImage)
	if _, err := os.Stat(beside); err == nil {
		images[echoImage] = beside
	} else if found, err := exec.LookPath(echoImage); err == nil {
		if images[echoImage], err = filepath.Abs(found); err != nil {
			return nil, fmt.Errorf("find %s: %w", echoImage, err)
		}
	}
	loaded, err := d.loadedImages()
	if err != nil {
		return nil, err
	}
	for _, more := range []map[string]string{loaded, given} {
		for name, path := range more {
			images[name] = path
		}
	}
	return images, nil
}

func (d Dir) loadedImages() (map[string]string, error) {
	text, err := os.ReadFile(d.imagesFile())
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the loaded images: %w", err)
	}
	images := map[string]string{}
	if err := json.Unmarshal(text, &images); err != nil {
		return nil, fmt.Errorf("read %s: %w", d.imagesFile(), err)
	}
	return images, nil
}

// rememberImage has later runs know the image too.
func (d Dir) rememberImage(name, path string) error {
	images, err := d.loadedImages()
	if err != nil {
		return err
	}
	images[name] = path
	return writeJSON(d.imagesFile(), images)
}
