package workload

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/canaryctl/canaryctl/internal/hint"
)

// ValidateVersion returns an error that wraps ErrVersion unless the version can
// be all that a version must be: a label value, the end of a Deployment's name,
// and the name of a subset. The last is the narrowest: Istio takes a DNS label
// (https://istio.io/latest/docs/reference/config/networking/destination-rule/#Subset).
func ValidateVersion(version string) error {
	if problems := validation.IsDNS1123Label(version); len(problems) > 0 {
		return hint.Wrap(fmt.Errorf("%w %q: %s", ErrVersion, version, problems[0]), "name another with --version, for example v2")
	}
	return nil
}

// PickVersion names the canary: the image's tag in the letters that a version
// may have (1.4.2 becomes 1-4-2), unless it is absent, moves ("latest"), or is
// taken; then the number after the stable version's (v1 becomes v2).
func PickVersion(imageRef, stable string, taken ...string) (string, error) {
	img, err := parseImage(imageRef)
	if err != nil {
		return "", err
	}
	isTaken := map[string]bool{stable: true, "": true, "latest": true}
	for _, version := range taken {
		isTaken[version] = true
	}
	version := versionOfTag(img.tag)
	for next := stable; isTaken[version]; version = next {
		next = nextVersion(next)
	}
	return version, nil
}

func versionOfTag(tag string) string {
	mapped := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(tag))
	mapped = strings.Trim(mapped, "-")
	if len(mapped) > validation.DNS1123LabelMaxLength {
		return ""
	}
	return mapped
}

// nextVersion counts the last number of a version up by one, or starts to count.
func nextVersion(version string) string {
	trailing := regexp.MustCompile(`[0-9]{1,9}$`).FindString(version)
	if trailing == "" {
		return strings.TrimSuffix(version, "-") + "-2"
	}
	n, _ := strconv.Atoi(trailing) // nine digits at most: cannot fail
	return strings.TrimSuffix(version, trailing) + strconv.Itoa(n+1)
}

// NameVersion names a version that has no name yet: by the label that its Pods have, else
// by the tag of its image, else v1. Those that are taken it does not take.
func NameVersion(label, imageRef string, taken ...string) (string, error) {
	if name := versionOfTag(label); name != "" {
		return name, nil
	}
	return PickVersion(imageRef, "v0", taken...) // after which v1 comes
}
