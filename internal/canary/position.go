package canary

// Position is what a route remembers of a release. It is stored as one
// annotation on the route object and changes in the same write as the weights,
// so the two can never disagree. A route without one was written by hand: its
// first destination is taken as the stable version.
type Position struct {
	// App is the value of the label that the versions of the application share.
	App string `json:"app,omitempty"`
	// Stable is the version that answers for the users.
	Stable string `json:"stable"`
	// Canary is the version on trial; empty when there is none.
	Canary string `json:"canary,omitempty"`
	// Previous is the version that was stable before a promotion and is kept for
	// a late rollback; empty before a promotion and once it is retired.
	Previous string `json:"previous,omitempty"`
	// Added lists what create-canary put into the route for this release, and so
	// what delete-canary takes away again: see the constants below. What it put
	// into another object is remembered there, in that object's own write.
	Added []string `json:"added,omitempty"`
	// Release is where an automated release stands, or how the last one ended; nil
	// where everything was done by hand.
	Release *Release `json:"release,omitempty"`
}

// What Position.Added may list.
const (
	// AddedDestination: the canary's destinations, with weight 0.
	AddedDestination = "destination"
	// AddedWeight: the weight of the stable destination, which said none because
	// it was alone. Routers remember what the weights were in entries of their own by
	// now; this one is read where it was written before.
	AddedWeight = "weight"
)

// Promoted is the position once the canary has all traffic and is the stable
// version; the old one is kept for a late rollback.
func (p Position) Promoted() Position {
	return Position{App: p.App, Stable: p.Canary, Previous: p.Stable, Added: p.Added}
}

// Restored undoes Promoted: the previous version is stable again, and the one
// that was promoted over it is back on trial.
func (p Position) Restored() Position {
	return Position{App: p.App, Stable: p.Previous, Canary: p.Stable, Added: p.Added}
}

// Without is the position once a version is gone.
func (p Position) Without(version string) Position {
	if p.Canary == version {
		p.Canary, p.Added = "", nil
	}
	if p.Previous == version {
		p.Previous = ""
	}
	if p.Canary == "" && p.Previous == "" {
		p.Added = nil // the release is over, and what it added has come to stay
	}
	return p
}

// Annotation is the key under which a route carries its Position, as JSON.
const Annotation = "canaryctl.io/position"
