package environ

import (
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// configError is an ErrConfig whose text is all a Pod's status should show.
type configError string

func configErrorf(format string, args ...any) error { return configError(fmt.Sprintf(format, args...)) }

func (e configError) Error() string { return string(e) }

// Unwrap makes it an ErrConfig.
func (configError) Unwrap() error { return ErrConfig }

// missing turns the error of reading an object into what the reader of a Pod's
// status should see: nothing for an optional object that is not there, the
// kubelet's words for another.
func missing(err error, optional *bool, kind, name string) error {
	switch {
	case !apierrors.IsNotFound(err):
		return err
	case optional != nil && *optional:
		return nil
	}
	return configErrorf("%s %q not found", kind, name)
}

func noKey(found bool, optional *bool, key, kind, namespace, name string) error {
	if found || (optional != nil && *optional) {
		return nil
	}
	return configErrorf("couldn't find key %s in %s %s/%s", key, kind, namespace, name)
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
