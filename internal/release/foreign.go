package release

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// drifts are all that others changed, in the order of what matters most.
func (e *Engine) drifts() []drift { return append(e.routeDrifts(), e.subjectDrifts()...) }

// routeDrifts is what the route says otherwise than the engine would have it.
func (e *Engine) routeDrifts() []drift {
	release, r := e.now(), e.route
	var all []drift
	add := func(is, did string) {
		all = append(all, drift{object: routeObject, is: is, by: author(r.Author), did: did})
	}
	if !mine(r, release.ID) {
		add("position", e.lostPosition())
	}
	if r.Weights.Canary != release.Weight {
		add("weights "+r.Weights.String(), fmt.Sprintf("set the weights of %s to %s, and the release had %s%% for the canary", r, r.Weights, release.Weight))
	}
	if !sameBeside(r.Beside, e.besides(release)) {
		add("beside "+besideText(r.Beside), fmt.Sprintf("changed what leads to the canary by header or mirror in %s", r))
	}
	return all
}

// lostPosition is what somebody did who wrote the route as a whole.
func (e *Engine) lostPosition() string {
	return fmt.Sprintf("wrote %s, which lost what it remembered of the release", e.route)
}

// subjectDrifts is what others changed of what is judged: Pod templates, and the
// subsets that choose the Pods.
func (e *Engine) subjectDrifts() []drift {
	release := e.now()
	if !e.sighted {
		return nil
	}
	var all []drift
	if e.missing() || release.Step >= 0 && e.versions.Deployments[e.place.Canary].Deleting {
		all = append(all, e.deleted(e.place.Canary))
	}
	if release.Templates == "" {
		return all
	}
	if release.Rolling() && e.followed && !e.unrolled && e.watchedRoll() == "" {
		back := e.retemplated(e.place.Stable)
		back.did += " back"
		all = append(all, back)
	}
	now := e.templates()
	for _, part := range strings.Fields(release.Templates) {
		name, _, _ := strings.Cut(part, "=")
		switch {
		case release.Rolling() && name == e.place.Stable, strings.Contains(" "+now+" ", " "+part+" "):
		case name == subsetsObject:
			all = append(all, drift{object: name, is: e.subsets, by: author(e.subsetsBy), did: fmt.Sprintf("changed the subsets of %s", e.route.Host)})
		case e.versions.Deployments[name].Name == "":
			all = append(all, e.deleted(name))
		default:
			all = append(all, e.retemplated(name))
		}
	}
	return all
}

// retemplated is that somebody changed a version's Pod template.
func (e *Engine) retemplated(version string) drift {
	d := e.versions.Deployments[version]
	return drift{object: version, is: d.Template, by: author(d.Author), did: fmt.Sprintf("changed the Pod template of Deployment %s", d.Name)}
}

// deleted is that somebody deletes a version, from the first sign of it until it is
// there again.
func (e *Engine) deleted(version string) drift {
	d := drift{object: version, is: "deleted", did: fmt.Sprintf("the Deployment of %s is gone", version)}
	if e.versions.Deployments[version].Deleting {
		d.did = fmt.Sprintf("the Deployment of %s is being deleted", version)
	}
	return d
}

// templates tells what is judged now from anything else.
func (e *Engine) templates() string {
	parts := []string{}
	for _, version := range []string{e.place.Stable, e.place.Canary} {
		parts = append(parts, version+"="+e.versions.Deployments[version].Template)
	}
	if e.subsets != "" {
		parts = append(parts, subsetsObject+"="+e.subsets)
	}
	return strings.Join(parts, " ")
}

// subjects is templates without the subsets: what evidence is about.
func subjects(templates string) string {
	before, _, _ := strings.Cut(templates, " "+subsetsObject)
	return before
}

func author(name string) string { return cmp.Or(name, "somebody") }

// mine reports whether a route is of the release.
func mine(r traffic.Route, id string) bool {
	return r.Position != nil && r.Position.Release != nil && r.Position.Release.ID == id
}

// besides is what the route shall carry besides the weights.
func (e *Engine) besides(r canary.Release) traffic.Beside {
	header, mirror := e.c.Plan.Beside(r)
	return traffic.Beside{Header: header, Mirror: mirror}
}

func sameBeside(a, b traffic.Beside) bool {
	if a.Header == nil || b.Header == nil {
		return a.Header == b.Header && a.Mirror == b.Mirror
	}
	return *a.Header == *b.Header && a.Mirror == b.Mirror
}

// besideText tells one from another.
func besideText(b traffic.Beside) string {
	header := ""
	if b.Header != nil {
		header = fmt.Sprintf("%+v ", *b.Header)
	}
	return fmt.Sprint(header, b.Mirror)
}
