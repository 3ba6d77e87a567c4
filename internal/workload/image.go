package workload

import (
	"fmt"
	"strings"
)

// image is a reference to a container image, taken apart:
// [registry[:port]/]path[:tag][@digest]
// (https://github.com/distribution/reference, "grammar").
type image struct {
	repository string
	tag        string
	digest     string
}

func parseImage(ref string) (image, error) {
	if ref == "" || strings.ContainsAny(ref, " \t\r\n") {
		return image{}, fmt.Errorf("image %q: not an image reference; give one like registry.example/app:v2", ref)
	}
	var img image
	rest, digest, pinned := strings.Cut(ref, "@")
	img.repository, img.digest = rest, digest
	// A colon before the last slash belongs to the registry's port.
	if colon := strings.LastIndexByte(rest, ':'); colon > strings.LastIndexByte(rest, '/') {
		img.repository, img.tag = rest[:colon], rest[colon+1:]
		if img.tag == "" {
			return image{}, fmt.Errorf("image %q: the tag is empty", ref)
		}
	}
	switch {
	case img.repository == "":
		return image{}, fmt.Errorf("image %q: the name is empty", ref)
	case pinned && !strings.Contains(digest, ":"):
		return image{}, fmt.Errorf("image %q: the digest must look like sha256:<hex>", ref)
	}
	return img, nil
}
