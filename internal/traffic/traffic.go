// Package traffic says what canaryctl asks of the thing that routes requests.
// Each kind of route (Istio, Gateway API, ingress-nginx, Argo Rollouts) is an
// adapter in a folder of its own that satisfies Router.
package traffic

import (
	"context"
	"errors"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// What can be wrong with a route. Adapters wrap these with the object's name
// and the next step to take.
var (
	ErrNotInstalled = errors.New("router is not installed in the cluster")
	ErrNoRoute      = errors.New("no route found")
	ErrAmbiguous    = errors.New("more than one route fits")
	ErrNotSplit     = errors.New("route does not name both versions")
	ErrForeign      = errors.New("route is managed by something else")
	ErrConflict     = errors.New("route was changed by somebody else")
	ErrOtherCanary  = errors.New("another canary is in place")
)

// Query says which route is meant; an empty field is found by itself where only
// one route fits.
type Query struct {
	Namespace string
	Route     string // name of the VirtualService, HTTPRoute, ...
	Host      string // destination host, short or fully qualified
	App       string // value of the application label
}

// Route is a snapshot of one route object: who is stable, who is on trial, and
// how the traffic is split. Position is nil where no release was recorded.
type Route struct {
	Kind      string
	Namespace string
	Name      string
	Host      string
	App       string
	Stable    string
	Canary    string // empty when the route names one version only
	Weights   canary.Weights
	Position  *canary.Position
	// Version is the resourceVersion that the snapshot was read at.
	Version string
}

// Change is one write: weights and position together.
type Change struct {
	Weights  canary.Weights
	Position *canary.Position // nil keeps what the route has
}

// Write says how a change is applied.
type Write struct {
	DryRun DryRun
	// Show receives the exact change (a JSON patch or an object) before it is
	// sent, for --dry-run. May be nil.
	Show func(verb, resource, name string, body []byte)
}

// DryRun is kubectl's --dry-run.
type DryRun string

// The three values that kubectl knows.
const (
	DryRunNone   DryRun = "none"
	DryRunClient DryRun = "client"
	DryRunServer DryRun = "server"
)

// Router moves traffic. Every write is optimistic: it is guarded by the fields
// it read, retried from a fresh read on a conflict, and changes nothing else in
// the object.
type Router interface {
	// Find reads the route that the query means: one API request where the
	// query names it. Errors wrap the sentinels above.
	Find(ctx context.Context, q Query) (Route, error)
	// Split sets weights on every rule that names both versions of the route.
	Split(ctx context.Context, r Route, c Change, w Write) (Route, error)
	// Admit makes the canary version routable with weight 0: first the subset,
	// then the destination, so that no request can meet a missing subset.
	Admit(ctx context.Context, r Route, version string, w Write) (Route, error)
	// Dismiss undoes Admit: first the destination, then the subset. It refuses
	// while the version still has weight.
	Dismiss(ctx context.Context, r Route, version string, w Write) (Route, error)
}
