package release

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// foreign says who changed what of the release, or is empty.
func (e *Engine) foreign() string {
	release := e.now()
	switch {
	case e.gone != nil:
		return ""
	case !mine(e.route, release.ID):
		return fmt.Sprintf("%s wrote %s, which lost what it remembered of the release", author(e.route.Author), e.route)
	case e.route.Weights.Canary != release.Weight:
		return fmt.Sprintf("%s set the weights of %s to %s, and the release had %d%% for the canary", author(e.route.Author), e.route, e.route.Weights, release.Weight)
	case !sameBeside(e.route.Beside, e.besides(release)):
		return fmt.Sprintf("%s changed what leads to the canary by header or mirror in %s", author(e.route.Author), e.route)
	}
	return e.foreignSubject()
}

// foreignSubject says who changed what is judged: a Pod template, or the subsets
// that choose the Pods.
func (e *Engine) foreignSubject() string {
	release := e.now()
	switch {
	case !e.sighted:
		return ""
	case e.missing(), release.Step >= 0 && e.versions.Deployments[e.place.Canary].Deleting:
		return e.deleted(e.place.Canary)
	case release.Templates == "":
		return ""
	}
	if stable := e.versions.Deployments[e.place.Stable]; release.Rolling() && e.followed && !e.unrolled && e.watchedRoll() == "" {
		return fmt.Sprintf("%s changed the Pod template of Deployment %s back", author(stable.Author), stable.Name)
	}
	now := e.templates()
	for _, part := range strings.Fields(release.Templates) {
		name, _, _ := strings.Cut(part, "=")
		if release.Rolling() && name == e.place.Stable || strings.Contains(" "+now+" ", " "+part+" ") {
			continue
		}
		if name == subsetsPart {
			return fmt.Sprintf("%s changed the subsets of %s", author(e.subsetsBy), e.route.Host)
		}
		d := e.versions.Deployments[name]
		if d.Name == "" {
			return e.deleted(name)
		}
		return fmt.Sprintf("%s changed the Pod template of Deployment %s", author(d.Author), d.Name)
	}
	return ""
}

// deleted says what somebody does to a version.
func (e *Engine) deleted(version string) string {
	if e.versions.Deployments[version].Deleting {
		return fmt.Sprintf("the Deployment of %s is being deleted", version)
	}
	return fmt.Sprintf("the Deployment of %s is gone", version)
}

const subsetsPart = "/subsets" // no version is called so

// templates tells what is judged now from anything else.
func (e *Engine) templates() string {
	parts := []string{}
	for _, version := range []string{e.place.Stable, e.place.Canary} {
		parts = append(parts, version+"="+e.versions.Deployments[version].Template)
	}
	if e.subsets != "" {
		parts = append(parts, subsetsPart+"="+e.subsets)
	}
	return strings.Join(parts, " ")
}

// subjects is templates without the subsets: what evidence is about.
func subjects(templates string) string {
	before, _, _ := strings.Cut(templates, " "+subsetsPart)
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
