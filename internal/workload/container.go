package workload

import (
	"fmt"
	"slices"
	"strings"

	"github.com/canaryctl/canaryctl/internal/hint"
)

// annotationDefaultContainer is how a Pod says which container is meant when
// nobody names one (https://kubernetes.io/docs/reference/labels-annotations-taints/).
const annotationDefaultContainer = "kubectl.kubernetes.io/default-container"

// pickContainer returns the index of the application's container: the one that
// is asked for, else the only one, else the one that the Pod template declares
// the default, else the one named as the application.
func pickContainer(names []string, asked, declared, app string) (int, error) {
	if asked != "" {
		if i := slices.Index(names, asked); i >= 0 {
			return i, nil
		}
		return 0, fmt.Errorf("%w: there is no container %q; the Pods have: %s",
			ErrContainer, asked, strings.Join(names, ", "))
	}
	if len(names) == 1 {
		return 0, nil
	}
	for _, candidate := range []string{declared, app} {
		if i := slices.Index(names, candidate); candidate != "" && i >= 0 {
			return i, nil
		}
	}
	return 0, hint.Wrap(fmt.Errorf("%w: the Pods have: %s", ErrContainer, strings.Join(names, ", ")),
		"name it with --container")
}
