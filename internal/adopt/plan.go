// Package adopt brings in an application that was never made for canaries: a plain
// Deployment, its Service, and a route that names no version, or none. It plans, from
// what there is, the changes that give the running version a name, in an order in which
// every request finds Pods; and the way back.
package adopt

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// ErrNoVersion says that there is not one Deployment which is the running version.
var ErrNoVersion = errors.New("no one Deployment is the running version")

// Situation is what was observed.
type Situation struct {
	Survey traffic.Survey
	// Deployments are those whose Pods the Service selects.
	Deployments []workload.Version
	// Version is what the running version shall be called; empty: found by itself.
	Version string
	// Autoscaled says that something scales the Deployment by what its Pods use.
	Autoscaled bool
}

// Kind is what a change is about.
type Kind string

// What is changed, in the order in which a version is brought in.
const (
	Labels Kind = "labels"
	Subset Kind = "subset"
	Route  Kind = "route"
)

// Change is one write.
type Change struct {
	Kind Kind
	// Object is what is changed, in words; Name is empty for one that is made.
	Object, Name string
	// What is missing, or in excess; Cost is what it costs to change that.
	What, Cost string
	Labels     map[string]string
	// Gone says that the object is to be removed, unless somebody changed it.
	Gone   bool
	Keeper string // the tool that applies the object from Git or a chart, or ""
}

// Plan is what is to be done.
type Plan struct {
	Namespace, Host string
	Deployment      workload.Version
	Version         string
	// Told are the labels by which its Pods are selected, once it is brought in.
	Told map[string]string
	// There is what is there as it has to be.
	There   []string
	Changes []Change
	// Risks are why requests may be lost all the same, a sentence each; Notes are what
	// else a person should know.
	Risks, Notes []string
	// Begun says that a part was done before, and may not be in effect yet.
	Begun bool
	Undo  bool
}

// Rolls reports whether Pods are replaced.
func (p Plan) Rolls() bool {
	return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Kind == Labels })
}

// Keepers are the tools that apply what is changed, each once.
func (p Plan) Keepers() []string {
	var all []string
	for _, c := range p.Changes {
		if c.Keeper != "" && !slices.Contains(all, c.Keeper) {
			all = append(all, c.Keeper)
		}
	}
	return all
}

// subset are the labels of a version that is defined.
func (s Situation) subset(version string) (map[string]string, bool) {
	for _, d := range s.Survey.Definitions {
		if labels, ok := d.Versions[version]; ok {
			return labels, true
		}
	}
	return nil, false
}

// within reports whether all of some labels are among others.
func within(some, all map[string]string) bool {
	for key, value := range some {
		if have, ok := all[key]; !ok || have != value {
			return false
		}
	}
	return true
}

// text is labels in words: "app=shop, tier=web".
func text(labels map[string]string) string {
	var all []string
	for key, value := range labels {
		all = append(all, key+"="+value)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// Adopted are the objects that adopt changed or made, as they are.
func Adopted(s Situation) []traffic.Object {
	var all []traffic.Object
	for _, v := range s.Deployments {
		if v.Adopted(s.Survey.Canonical) != nil {
			all = append(all, traffic.Object{Kind: "Deployment", Name: v.Deployment, Body: v.Object.Object})
		}
	}
	for _, d := range s.Survey.Definitions {
		if d.Adopted != nil {
			all = append(all, d.Object)
		}
	}
	for _, o := range s.Survey.Senders {
		if o.Adopted != nil {
			all = append(all, o.Object)
		}
	}
	return all
}
