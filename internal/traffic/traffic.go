// Package traffic says what canaryctl asks of the thing that routes requests.
// Each kind of route (Istio, Gateway API, ingress-nginx, Argo Rollouts) is an
// adapter in a folder of its own that satisfies Router.
package traffic

import (
	"context"
	"errors"
	"slices"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// What can be wrong with a route. Adapters wrap these with the object's name
// and the next step to take.
var (
	ErrNotInstalled = errors.New("is not installed in the cluster")
	ErrNoRoute      = errors.New("no route found")
	ErrAmbiguous    = errors.New("more than one route fits")
	ErrNotSplit     = errors.New("route does not name both versions")
	ErrForeign      = errors.New("route is managed by something else")
	ErrConflict     = errors.New("route was changed by somebody else")
	ErrOtherCanary  = errors.New("another canary is in place")
	ErrServing      = errors.New("version still gets traffic")
	ErrUnsupported  = errors.New("is not supported yet")
)

// Query says which route is meant; an empty field is found by itself where only
// one route fits.
type Query struct {
	Namespace string
	Route     string // name of the VirtualService, HTTPRoute, ...
	Host      string // destination host, short or fully qualified
	App       string // value of the application label
	// Split asks for a route that has somewhere to move traffic to or from: one
	// with a canary, or with a previous version to return to.
	Split bool
}

// Route is a snapshot of one route object: who is stable, who is on trial, and
// how the traffic is split. Position is nil where no release was recorded.
// Versions go by the name that the route calls them.
type Route struct {
	APIVersion string
	Kind       string
	UID        string // of the object, for those that are to go with it
	Namespace  string
	Name       string
	Host       string
	App        string
	// Elsewhere is the namespace of the host's Pods where that is not the route's
	// own, or "".
	Elsewhere string
	Stable    string
	Canary    string // empty when the route names one version only
	Weights   canary.Weights
	Position  *canary.Position
	// Unsplit says that other rules of the route send requests to the stable version
	// alone, so that the canary has less of them all than its weight.
	Unsplit bool
	// Apart tells the host's release from those of other hosts in the same object,
	// which has state for each; empty where the object keeps that of this host alone.
	Apart string
	// Followers are the names of other routes that send to the same versions, and get
	// whatever this one gets; Leader is the one that this route follows, or "".
	Followers []string
	Leader    string
	// Pinned names the rules that send all they match to the canary, whatever the weights:
	// those of the user, for testers say.
	Pinned []string
	// Beside is what the route carries for the release besides the weights.
	Beside Beside
	// Notes are what it remembers besides the position: the values of
	// canary.PlanAnnotation and canary.HistoryAnnotation, where it has them.
	Notes map[string]string
	// Author is who wrote the object last, as the API server recorded it: a field
	// manager and a time. Subsets tells one definition of the two versions'
	// subsets from another, and SubsetsBy is its author; only Watch fills these
	// two.
	Author    string
	Subsets   string
	SubsetsBy string
	// Version is the resourceVersion that the snapshot was read at.
	Version string
	// Raw is what the adapter read, and builds its next write from; nobody else
	// looks inside.
	Raw any
}

// Previous is the version that a promotion replaced and that is still kept, or "".
func (r Route) Previous() string {
	if r.Position == nil {
		return ""
	}
	return r.Position.Previous
}

// Versions are those that the route tells of: stable, canary and previous.
func (r Route) Versions() []string {
	versions := []string{r.Stable}
	for _, v := range []string{r.Canary, r.Previous()} {
		if v != "" && !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
	}
	return versions
}

// Place is the route's position, or where one was never recorded, what the
// route itself says of it.
func (r Route) Place() canary.Position {
	if r.Position != nil && r.Position.Stable == r.Stable && r.Position.Canary == r.Canary {
		return *r.Position
	}
	return canary.Position{App: r.App, Stable: r.Stable, Canary: r.Canary, Previous: r.Previous()}
}

// String names the object: "VirtualService default/x".
func (r Route) String() string { return r.Kind + " " + r.Namespace + "/" + r.Name }

// Beside is what leads to the canary besides the weights: requests with a header,
// and copies of a percentage of stable's requests. The zero value is neither.
type Beside struct {
	Header *canary.Header
	Mirror canary.Percent
}

// Besides is what a plan leads to the canary by besides the weights, step by step.
func Besides(plan canary.Plan) (all []Beside) {
	for i := range plan.Steps {
		header, mirror := plan.Beside(canary.Release{Phase: canary.Progressing, Step: i})
		if header != nil || mirror > 0 {
			all = append(all, Beside{Header: header, Mirror: mirror})
		}
	}
	return all
}

// Change is one write: weights, position and what goes with them. The weights are
// those of the snapshot's Stable and Canary, whoever the new position calls so.
type Change struct {
	Weights  canary.Weights
	Position *canary.Position // nil keeps what the route has
	// Beside nil keeps what the route has where both versions get a share. Where
	// all goes to one of them it is taken off: after a plain 100/0 no request, and
	// no copy of one, may reach the canary.
	Beside *Beside
	Notes  map[string]string // to set by name; an empty value takes one off
	// Unpin sends what the Pinned rules match to the stable version.
	Unpin bool
	// Fence gives the write up with ErrConflict where somebody else meanwhile
	// changed the weights, what is beside them, or the position: it was decided on
	// what the snapshot says. Without it, others are overruled.
	Fence bool
}

// Admission is what lets a version in. Where a release begins with it, that and its
// notes go into the same write, at once after the route was found.
type Admission struct {
	Version string
	Release *canary.Release
	Notes   map[string]string
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
// the object. A write that would change nothing is not sent. Where somebody
// else meanwhile changed which version is stable or on trial, the write is given
// up with ErrConflict: what was asked for no longer means the same.
type Router interface {
	// Find reads the route that the query means: one API request where the
	// query names it. Errors wrap the sentinels above.
	Find(ctx context.Context, q Query) (Route, error)
	// Backends says where the requests for versions go: those that the route names,
	// and one that is yet to be admitted.
	Backends(ctx context.Context, r Route, versions ...string) (canary.Backends, error)
	// Split sets weights on every rule that names both versions of the route.
	// ErrNotSplit where there is none, ErrForeign where the route belongs to
	// another tool.
	Split(ctx context.Context, r Route, c Change, w Write) (Route, error)
	// Admit makes the canary version routable with weight 0: first the subset,
	// then the destination, so that no request can meet a missing subset.
	// ErrOtherCanary where the route has another canary, ErrConflict where a
	// release was to begin and somebody else changed the route meanwhile.
	Admit(ctx context.Context, r Route, a Admission, w Write) (Route, error)
	// Rehearse is an error where the route, or one that follows it, could not carry one
	// of these once the version was admitted. It writes nothing.
	Rehearse(ctx context.Context, r Route, version string, besides ...Beside) error
	// Withdraw takes a version's destinations out of the route, and leaves what its Pods
	// are found by. Of a canary it takes away what Admit added; a previous version it
	// takes away whole. ErrServing where the version still has weight.
	Withdraw(ctx context.Context, r Route, version string, w Write) (Route, error)
	// Dismiss makes a version unroutable: it is Withdraw, and then takes the subset
	// away, too.
	Dismiss(ctx context.Context, r Route, version string, w Write) (Route, error)
	// Remember records the change's position and notes, and leaves the weights and
	// what is beside them alone: the route need not name both versions. A position
	// that says no more than the route itself does is taken off, unless a release
	// is under way.
	Remember(ctx context.Context, r Route, c Change, w Write) (Route, error)
	// Owned is an error that wraps ErrForeign where another tool writes the route
	// or what goes with it, and nil where nothing says so. Unlike the writes, which
	// refuse what they read anyway, it looks everywhere.
	Owned(ctx context.Context, r Route) error
	// Watch tells seen of the route as it is, and again whenever the route or its
	// subsets change, one call at a time, until the context ends: that is its
	// error. It outlives everything else: what stands in the way of knowing is
	// told, and tried again.
	Watch(ctx context.Context, r Route, seen func(Sight)) error
}

// Sight is what a Watch sees: the route, or why it cannot be known now. The error
// wraps ErrNoRoute where the object is gone.
type Sight struct {
	Route Route
	Err   error
}
