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
	// Added lists what create-canary put into the cluster for this release
	// ("subset", "destination"), and so what delete-canary takes away again.
	Added []string `json:"added,omitempty"`
}

// Annotation is the key under which a route carries its Position, as JSON.
const Annotation = "canaryctl.io/position"
