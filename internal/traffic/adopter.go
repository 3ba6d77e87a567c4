package traffic

import (
	"context"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// Adopter brings in a host whose routes name no version of it, and lets it go again. A
// Router may be one. Every write is as a Router's: guarded by what was read, repeated
// from a fresh read on a conflict, and of nothing else in the object. What it did is
// recorded on the object in the same write.
type Adopter interface {
	// Survey reads what sends requests to the host that the query means, and what defines
	// its versions. ErrForeign where another tool writes any of it, ErrAmbiguous where
	// the query may mean several hosts, ErrNoRoute where it means none.
	Survey(ctx context.Context, q Query) (Survey, error)
	// Define says by which labels the Pods of a version are found.
	Define(ctx context.Context, s Survey, version string, labels map[string]string, w Write) (Object, error)
	// Name makes all destinations of a sender that name no version name this one. Without
	// a sender's name it makes a route that sends all requests to it.
	Name(ctx context.Context, s Survey, sender, version string, w Write) (Object, error)
	// Unname takes back what Name did to a sender, and what releases remembered there;
	// one that Name made goes, unless somebody changed it. ErrServing where the sender
	// knows of another version by now.
	Unname(ctx context.Context, s Survey, sender string, w Write) (Object, error)
	// Undefine takes back what Define did, likewise.
	Undefine(ctx context.Context, s Survey, definition string, w Write) (Object, error)
}

// Survey is what there is of a host.
type Survey struct {
	Namespace string
	// Host is the name of the Service, and Canonical the one form of it by which what
	// was done is recorded.
	Host, Canonical string
	// Selector is what the Service selects.
	Selector    map[string]string
	Senders     []Sender
	Definitions []Definition
	// Others are those that define versions of other hosts.
	Others []Definition
	// Notes are what a person should know of it, a sentence each.
	Notes []string
	// Raw is what the adapter read; nobody else looks inside.
	Raw any
}

// Sender is an object that sends requests to the host.
type Sender struct {
	Kind, Name string
	// Bare is how many of its destinations name no version; Versions are those that
	// others name.
	Bare     int
	Versions []string
	// Route is the sender as a route; nil where it names no version.
	Route   *Route
	Adopted *canary.Adopted // nil: adopt did nothing to it
	Keeper  string          // the tool that applies it from Git or a chart, or ""
	Object  Object          // as it is
}

// Definition is an object that says by which labels versions of the host are found.
type Definition struct {
	Kind, Name string
	Host       string                       // as it is spelled there
	Versions   map[string]map[string]string // labels, by version
	// Policy says that it also says how Pods are called, which its versions inherit.
	Policy bool
	// Narrow says why some who follow a route do not know it, in a clause; "" where all do.
	Narrow  string
	Adopted *canary.Adopted
	Keeper  string
	Object  Object
}

// Object is one as it is after a write. Body is JSON's; it is the object as it was where
// the write removed it.
type Object struct {
	Kind, Name string
	Body       map[string]any
	Gone       bool
	// Left says why something of it was not taken back, in a clause, or is "".
	Left string
}
