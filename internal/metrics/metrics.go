// Package metrics says what the versions of an application were seen to do.
// Where the figures come from is the business of the folders below it; a
// cluster without any source is a normal one, so absence is a reason to show
// and never an error.
package metrics

import (
	"context"
	"errors"
	"time"
)

// ErrAbsent is wrapped by a Source that is not there at all, as opposed to one
// that is there and failed.
var ErrAbsent = errors.New("no such metrics source")

// Patience is how long Observed waits for all its sources together: a person
// who asked for a status should not wait for a figure that is a nicety.
const Patience = 2 * time.Second

// DefaultWindow is how far back Observed looks when the query does not say.
const DefaultWindow = time.Minute

// Query says whose requests are meant.
type Query struct {
	Namespace string
	// Service is the destination host of the route, short or fully qualified.
	Service string
	// App is the prefix of the Deployments' names, <app>-<version>.
	App string
	// Window is how far back to look; zero means DefaultWindow.
	Window time.Duration
}

// Observation is the number of requests that each version answered.
type Observation struct {
	// Requests is by version. The figures are estimates of whole numbers:
	// Prometheus extrapolates to the ends of the window.
	Requests map[string]float64 `json:"requests,omitempty"`
	// Window is the time that the requests were counted over.
	Window time.Duration `json:"-"`
	// Source says where the figures come from, in words.
	Source string `json:"source,omitempty"`
	// Reason says why there are no figures; empty when there are.
	Reason string `json:"reason,omitempty"`
}

// OK reports whether there are figures, which implies at least one request.
func (o Observation) OK() bool { return o.Reason == "" && o.Total() > 0 }

// Total is the number of requests of all versions.
func (o Observation) Total() float64 {
	var sum float64
	for _, n := range o.Requests {
		sum += n
	}
	return sum
}

// Share returns the part of all requests, 0 to 1, that the version answered;
// ok is false when there are no figures to take a share of.
func (o Observation) Share(version string) (share float64, ok bool) {
	if !o.OK() {
		return 0, false
	}
	return o.Requests[version] / o.Total(), true
}

// Source answers instant queries in PromQL.
type Source interface {
	// Name says where it is, for a person: "Prometheus at http://...".
	Name() string
	// Sum evaluates an expression and returns its values by the named label.
	// An error wraps ErrAbsent when the source does not exist.
	Sum(ctx context.Context, promQL, label string) (map[string]float64, error)
}
