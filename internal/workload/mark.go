package workload

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// ParseLabel reads NAME=VALUE of a label.
func ParseLabel(text string) (name, value string, err error) {
	if name, value, err = ParseAnnotation(text); err != nil {
		return "", "", err
	}
	if problems := validation.IsValidLabelValue(value); len(problems) > 0 {
		return "", "", fmt.Errorf("%q: %s", text, problems[0])
	}
	return name, value, nil
}

// ParseAnnotation reads NAME=VALUE of an annotation.
func ParseAnnotation(text string) (name, value string, err error) {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return "", "", fmt.Errorf("%q: not of the form NAME=VALUE", text)
	}
	if problems := validation.IsQualifiedName(name); len(problems) > 0 {
		return "", "", fmt.Errorf("%q: %s", text, problems[0])
	}
	return name, value, nil
}

// ParseContainerImage reads CONTAINER=IMAGE.
func ParseContainerImage(text string) (container, ref string, err error) {
	container, ref, ok := strings.Cut(text, "=")
	if !ok || container == "" {
		return "", "", fmt.Errorf("%q: not of the form CONTAINER=IMAGE", text)
	}
	_, err = parseImage(ref)
	return container, ref, err
}
