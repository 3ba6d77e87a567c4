package release

import (
	"slices"
	"strings"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
)

// drift is what somebody else changed of the release, for as long as it stands.
type drift struct {
	object string // that was changed: the route, a version's Deployment, the subsets
	is     string // what of it, and what that is now: anything else is another drift
	by     string // who, as the API server recorded it; empty where that does not matter
	did    string // what, in words that follow the name
}

// No version is called so.
const (
	routeObject   = "/route"
	subsetsObject = "/subsets"
)

func (d drift) String() string { return strings.TrimSpace(d.by + " " + d.did) }

func (d drift) same(other drift) bool { return d.object == other.object && d.is == other.is }

// tellForeign tells of each drift once, and of what one write did to an object in one
// sentence. Who did it is whoever the API server named when it was seen first: others
// write the same object later, the engine among them, and then it names those.
func (e *Engine) tellForeign() {
	now := e.drifts()
	told := map[string]bool{}
	for i, d := range now {
		if j := slices.IndexFunc(e.drifted, d.same); j >= 0 {
			now[i] = e.drifted[j]
			continue
		}
		if !told[d.object] && !e.toldBefore(d) {
			e.say(event.Foreign, d.String(), d.by)
		}
		told[d.object] = true
	}
	e.drifted = now
}

// toldBefore reports whether an engine before this one told of a drift: it paused the
// release for it, and nobody has resumed it since.
func (e *Engine) toldBefore(d drift) bool {
	found, r := e.c.Route.Position.Release, e.now()
	if found.Cause != canary.CauseForeign || r.Cause != canary.CauseForeign || !r.Paused.Equal(found.Paused) {
		return false
	}
	return strings.HasSuffix(r.Why, d.did) ||
		d.object == routeObject && strings.HasSuffix(r.Why, e.lostPosition()) // and it was written again
}

// foreign says in words who changed what, or is empty: the first of all drifts.
func (e *Engine) foreign() string {
	if len(e.drifted) == 0 {
		return ""
	}
	return e.drifted[0].String()
}
