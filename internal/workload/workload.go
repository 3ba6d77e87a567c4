// Package workload knows the versions of an application: one Deployment each,
// told apart by the label "version". It derives the canary's Deployment from
// the stable one, waits until its Pods are ready, and removes versions. It never
// looks at routes: who is stable is the route's to say.
package workload

import "errors"

// What makes a Deployment a version of an application.
const (
	// LabelApp holds the name that all versions of the application share.
	LabelApp = "app"
	// LabelVersion tells the versions apart; subsets select on it.
	LabelVersion = "version"
	// EnvVersion is how a process learns which version it is.
	EnvVersion = "APP_VERSION"
	// AnnotationDerivedFrom names the Deployment that a canary was made from, for
	// whoever wonders where it came from.
	AnnotationDerivedFrom = "canaryctl.io/derived-from"
)

// What can be wrong with a version. Errors of this package wrap these with the
// object's name and the next step to take.
var (
	ErrNotFound  = errors.New("version not found")
	ErrDuplicate = errors.New("more than one Deployment is this version")
	ErrContainer = errors.New("cannot tell which container is the application")
	ErrVersion   = errors.New("invalid version")
	ErrExists    = errors.New("the version exists and is different")
	// ErrNotSelected: no request would reach the version.
	ErrNotSelected = errors.New("the Service would not select the version's Pods")
	// ErrNotApart: requests for the stable version would reach the new one.
	ErrNotApart = errors.New("the canary would get requests at once")
	ErrNotReady = errors.New("the version does not become ready")
	ErrTimeout  = errors.New("timed out")
	// ErrUnsupported is about Pods that no Deployment runs.
	ErrUnsupported = errors.New("is not supported yet")
)

// Name is what the Deployment of a version is called.
func Name(app, version string) string { return app + "-" + version }
