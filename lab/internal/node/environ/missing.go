package environ

import (
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// missing turns the error of reading an object into what the reader of a Pod's
// status should see: nothing for an optional object that is not there, the
// API's "configmaps "x" not found" for another.
func missing(err error, optional *bool) error {
	switch {
	case !apierrors.IsNotFound(err):
		return err
	case optional != nil && *optional:
		return nil
	}
	return fmt.Errorf("%w: %w", ErrConfig, err)
}

func noKey(found bool, optional *bool, key, kind, namespace, name string) error {
	if found || (optional != nil && *optional) {
		return nil
	}
	return fmt.Errorf("%w: couldn't find key %s in %s %s/%s", ErrConfig, key, kind, namespace, name)
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
