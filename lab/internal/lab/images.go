package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
)

// echoImage is the demo service. Its program lies beside the lab's, as `make build` puts it.
const echoImage = "versioned-echo"

// images are those known from the start: the demo service, those given in earlier runs, and
// those given now, each outdoing the one before. What is given now is remembered, since the Pods
// that need it are there again in the next run.
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
	if err := d.rememberImages(given); err != nil {
		return nil, err
	}
	remembered, err := d.rememberedImages()
	if err != nil {
		return nil, err
	}
	maps.Copy(images, remembered)
	return images, nil
}

func (d Dir) rememberedImages() (map[string]string, error) {
	text, err := os.ReadFile(d.imagesFile())
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the remembered images: %w", err)
	}
	images := map[string]string{}
	if err := json.Unmarshal(text, &images); err != nil {
		return nil, fmt.Errorf("read %s: %w", d.imagesFile(), err)
	}
	return images, nil
}

// rememberImages has later runs know these images too.
func (d Dir) rememberImages(more map[string]string) error {
	if len(more) == 0 {
		return nil
	}
	images, err := d.rememberedImages()
	if err != nil {
		return err
	}
	maps.Copy(images, more)
	return writeJSON(d.imagesFile(), images)
}
