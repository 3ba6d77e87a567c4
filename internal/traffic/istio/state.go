package istio

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// One VirtualService may route to several hosts, and each has releases of its own. What
// is remembered of a host is kept in the plain annotations, canaryctl.io/position say,
// where the object has versions of no other; else in annotations that begin with the
// host: shop.default.svc.canaryctl.io/position.

// state is where an object keeps what it remembers of a host: the host that the
// annotations' names begin with, or "" for the plain ones.
type state string

const plain state = ""

// hostAnnotation says whose the plain history is, once there is no position that does.
const hostAnnotation = "canaryctl.io/host"

// name is that of an annotation in this state.
func (s state) name(annotation string) string {
	if s == plain {
		return annotation
	}
	return string(s) + "." + annotation
}

// in reports whether an object has any of it.
func (s state) in(o *unstructured.Unstructured) bool {
	all := o.GetAnnotations()
	return slices.ContainsFunc([]string{canary.Annotation, canary.PlanAnnotation, canary.HistoryAnnotation}, func(name string) bool {
		_, ok := all[s.name(name)]
		return ok
	})
}

// stateOf finds the state of a host: the one that there is, else the one to begin.
func stateOf(vs *unstructured.Unstructured, host string) state {
	of := canonical(host, vs.GetNamespace())
	own := stateNamed(of)
	if own.in(vs) {
		return own
	}
	if plain.in(vs) {
		if plainHost(vs) == of {
			return plain
		}
		return own
	}
	versioned, _ := hostsOf(rulesOf(vs), vs.GetNamespace())
	if slices.ContainsFunc(versioned, func(h string) bool { return !sameHost(h, host, vs.GetNamespace()) }) {
		return own
	}
	return plain
}

// stateNamed is the state that is named after a host. A host that cannot begin an
// annotation's name is told from others by a hash.
func stateNamed(host string) state {
	const longest = validation.DNS1123SubdomainMaxLength - len(".canaryctl.io")
	if len(host) > longest || len(validation.IsDNS1123Subdomain(host)) > 0 {
		return state("host-" + digest(host))
	}
	return state(host)
}

// plainHost is the host whose state the plain annotations are: the one that they name.
// Before they named one, it was the only host with versions; of several it is the one
// that has the application's name, or the only one with the release's versions.
func plainHost(vs *unstructured.Unstructured) string {
	kept, _ := decoded(vs.GetAnnotations()[canary.Annotation])
	if host := cmp.Or(kept.Host, vs.GetAnnotations()[hostAnnotation]); host != "" {
		return host
	}
	rules, namespace := rulesOf(vs), vs.GetNamespace()
	versioned, _ := hostsOf(rules, namespace)
	if len(versioned) == 1 {
		return canonical(versioned[0], namespace)
	}
	named := []string{kept.Stable, kept.Canary}
	if past := canary.ParseHistory(vs.GetAnnotations()[canary.HistoryAnnotation]); kept.Stable == "" && len(past) > 0 {
		named = []string{past[0].From, past[0].To}
	}
	var fitting []string
	for _, h := range versioned {
		if kept.App != "" && short(canonical(h, namespace)) == kept.App {
			return canonical(h, namespace)
		}
		versions := append(versionsOf(rules, h, namespace), "")
		if !slices.ContainsFunc(named, func(v string) bool { return !slices.Contains(versions, v) }) {
			fitting = append(fitting, canonical(h, namespace))
		}
	}
	if len(fitting) == 1 {
		return fitting[0]
	}
	return ""
}

// kept is a position as the plain annotation has it.
type kept struct {
	canary.Position
	// Host is the canonical host that it is about.
	Host string `json:"host,omitempty"`
	// Follows is the VirtualService that the release is remembered in, where that is
	// another; Followers are those that follow this one.
	Follows   string   `json:"follows,omitempty"`
	Followers []string `json:"followers,omitempty"`
}

func decoded(text string) (kept, bool) {
	var k kept
	return k, json.Unmarshal([]byte(text), &k) == nil
}

// position reads what is remembered of a host. A position whose stable version is no
// longer in the route is about another route than this: somebody rewrote it.
func (s state) position(vs *unstructured.Unstructured, versions []string) *canary.Position {
	k := s.kept(vs, versions)
	if k == nil {
		return nil
	}
	return &k.Position
}

func (s state) kept(vs *unstructured.Unstructured, versions []string) *kept {
	text, ok := vs.GetAnnotations()[s.name(canary.Annotation)]
	if !ok {
		return nil
	}
	k, ok := decoded(text)
	if !ok || !slices.Contains(versions, k.Stable) {
		return nil
	}
	return &k
}

// notes are the notes that there are, by their plain names; nil for none.
func (s state) notes(vs *unstructured.Unstructured) map[string]string {
	var notes map[string]string
	for _, name := range []string{canary.PlanAnnotation, canary.HistoryAnnotation} {
		if text, ok := vs.GetAnnotations()[s.name(name)]; ok {
			if notes == nil {
				notes = map[string]string{}
			}
			notes[name] = text
		}
	}
	return notes
}

// memory writes what is to be remembered of a host: the position, or the one that there
// is, and the notes. Of other hosts' it tests nothing.
func memory(o *unstructured.Unstructured, host string, c traffic.Change) patch {
	return memoryAs(o, host, c, func(*kept) {})
}

// memoryAs is memory of a route that begins to lead, or to follow.
func memoryAs(o *unstructured.Unstructured, host string, c traffic.Change, as func(*kept)) patch {
	s := stateOf(o, host)
	values := map[string]string{s.name(canary.Annotation): o.GetAnnotations()[s.name(canary.Annotation)]}
	for name, text := range c.Notes {
		values[s.name(name)] = text
	}
	if c.Position != nil {
		k, _ := decoded(o.GetAnnotations()[s.name(canary.Annotation)])
		k.Position, k.Host = *c.Position, ""
		if s == plain {
			k.Host = canonical(host, o.GetNamespace())
		}
		as(&k)
		values[s.name(canary.Annotation)] = k.encoded()
	}
	return annotate(o, values)
}

// forget is memory that takes the position off.
func forget(o *unstructured.Unstructured, host string, notes map[string]string) patch {
	s := stateOf(o, host)
	values := map[string]string{s.name(canary.Annotation): ""}
	history := o.GetAnnotations()[s.name(canary.HistoryAnnotation)]
	if text, set := notes[canary.HistoryAnnotation]; set {
		history = text
	}
	if s == plain && history != "" {
		values[hostAnnotation] = canonical(host, o.GetNamespace())
	}
	for _, name := range slices.Sorted(maps.Keys(notes)) {
		values[s.name(name)] = notes[name]
	}
	return annotate(o, values)
}

// encoded is a position as an annotation's value.
func (k kept) encoded() string {
	data, err := json.Marshal(k)
	if err != nil {
		panic(fmt.Sprintf("encode a position: %v", err)) // text, numbers and times of this age
	}
	return string(data)
}
