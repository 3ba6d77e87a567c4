package istio

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Weights are parts of their sum, whatever that is, and the only destination of a rule
// gets everything:
// https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRouteDestination

// serves reports whether a destination gets requests of its rule.
func (r rule) serves(l leg) bool { return len(r.legs) == 1 || l.weight > 0 }

// split is how a rule divides between the versions of the route what both get; false
// where it does not name both.
func (r rule) split(route traffic.Route) (canary.Weights, bool) {
	stable, hasStable := r.to(route.Host, route.Namespace, route.Stable)
	onTrial, hasCanary := r.to(route.Host, route.Namespace, route.Canary)
	if !hasStable || !hasCanary {
		return canary.Weights{}, false
	}
	return canary.ToCanary(canary.PercentOf(float64(onTrial.weight), float64(stable.weight+onTrial.weight))), true
}

// weighed are the weights of a rule's destinations, in their order, that split what
// the versions of the route get as asked. Other destinations keep their part, but for
// other versions of the host: theirs goes to the stable one. The sum is what it was
// before the canary came, or is now, where whole numbers can say the split; else 100,
// or 1000 for tenths of a percent, or a multiple of what it is.
func (r rule) weighed(route traffic.Route, w canary.Weights, before original) []int {
	version := func(l leg) bool { return l.subset != "" && sameHost(l.host, route.Host, route.Namespace) }
	weights := make([]int, len(r.legs))
	versions, others := 0, 0
	for i, l := range r.legs {
		if weights[i] = l.weight; version(l) {
			versions += l.weight
		} else {
			others += l.weight
		}
	}
	if versions == 0 && others > 0 {
		return weights // nothing is sent to any
	}
	tenths := int(math.Round(float64(w.Canary) * 10))
	exact := func(sum int) bool { return sum > 0 && sum*tenths%1000 == 0 }
	scale := func(to int) {
		for i := range weights {
			weights[i] = weights[i] * to / max(versions, 1) // no version may have any
		}
		versions = to
	}
	first := before.of(r, version)
	switch {
	case exact(first) && (others == 0 || others*first%versions == 0 && others*first/versions == before.sum()-first):
		scale(first)
	case exact(versions):
	case others > 0:
		scale(versions * 1000 / gcd(versions*tenths, 1000))
	case exact(100):
		versions = 100
	default:
		versions = 1000
	}
	for i, l := range r.legs {
		switch {
		case !version(l):
		case l.subset == route.Canary:
			weights[i] = versions * tenths / 1000
		case l.subset == route.Stable:
			weights[i] = versions - versions*tenths/1000
		default:
			weights[i] = 0
		}
	}
	return weights
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// original are the weights that a rule had before the canary came, as Position.Added
// remembers them: "weights:http/95cb9b4f84ceff13=80,20", with - for one that is not
// written down.
type original struct{ weights []string }

const originals = "weights:"

func (r rule) original() string {
	weights := make([]string, len(r.legs))
	for i, l := range r.legs {
		weights[i] = "-"
		if l.weighted {
			weights[i] = strconv.Itoa(l.weight)
		}
	}
	return originals + r.key() + "=" + strings.Join(weights, ",")
}

// key tells a rule from others by which requests it is for, and its name: somebody may
// put a rule before it.
func (r rule) key() string {
	data, err := json.Marshal([]any{r.entry["name"], r.entry["match"]})
	if err != nil {
		panic(fmt.Sprintf("encode what a rule matches: %v", err)) // it was JSON
	}
	return r.protocol + "/" + digest(data)
}

// noted adds what was remembered of rules to what is; of a rule the newer holds.
func noted(before, more []string) []string {
	before = slices.DeleteFunc(slices.Clone(before), func(old string) bool {
		name, _, _ := strings.Cut(old, "=")
		return slices.ContainsFunc(more, func(a string) bool {
			return a == old || strings.HasPrefix(old, originals) && strings.HasPrefix(a, name+"=")
		})
	})
	return append(before, more...)
}

// originalOf is what was remembered of a rule.
func (r rule) originalOf(added []string) (original, bool) {
	for _, a := range added {
		text, ok := strings.CutPrefix(a, originals)
		name, weights, found := strings.Cut(text, "=")
		if ok && found && name == r.key() {
			return original{strings.Split(weights, ",")}, true
		}
	}
	return original{}, false
}

// of is what the versions of the host had together, when the canary's destination, the
// last, was not there yet; zero where that is not known.
func (o original) of(r rule, version func(leg) bool) int {
	if len(o.weights)+1 != len(r.legs) || o.sum() == 0 {
		return 0
	}
	sum := 0
	for i, w := range o.weights {
		if n, err := strconv.Atoi(w); err == nil && version(r.legs[i]) {
			sum += n
		}
	}
	return sum
}

// sum is zero where not all are numbers.
func (o original) sum() int {
	sum := 0
	for _, w := range o.weights {
		n, err := strconv.Atoi(w)
		if err != nil {
			return 0
		}
		sum += n
	}
	return sum
}

// restore writes the weights of destinations as they were, where they still mean what
// they do now.
func (o original) restore(r rule, left []leg) patch {
	if len(o.weights) != len(left) {
		return nil
	}
	sum, now := o.sum(), 0
	for _, l := range left {
		now += l.weight
	}
	var p patch
	for i, l := range left {
		n, err := strconv.Atoi(o.weights[i])
		switch {
		case len(left) > 1 && (err != nil || n*now != l.weight*sum):
			return nil // somebody else shared it out anew
		case err != nil && l.weighted:
			p = append(p, remove(r.leg(l)+"/weight"))
		case err == nil && (n != l.weight || !l.weighted):
			p = append(p, set(r.leg(l)+"/weight", n, l.weighted))
		}
	}
	return p
}

// addedTo is what the route remembers to have added for its canary.
func addedTo(vs *unstructured.Unstructured, route traffic.Route) []string {
	if p := stateOf(vs, route.Host).position(vs, versionsOf(rulesOf(vs), route.Host, route.Namespace)); p != nil {
		return slices.Clone(p.Added)
	}
	return nil
}
