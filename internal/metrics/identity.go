package metrics

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Identity says whose a series is: it is a version's if all labels of any of the
// marks match.
type Identity []Mark

// Mark is one way to tell. Labels are patterns that must match as a whole, with
// what stands for the release in them: {namespace}, {app}, {service}, {version} for
// the Pods' label of that name, {deployment}, and {pod} for the names of a version's
// Pods, <deployment>-<hash>-<letters>.
// An empty pattern matches a label that is not there.
type Mark struct {
	// Role is "stable" or "canary" where labels tell roles apart and not versions, and
	// "nobody" for series of the Service whose version no label says.
	Role   string            `json:"role,omitempty"`
	Labels map[string]string `json:"labels"`
}

// Roles of a mark.
const (
	RoleStable = "stable"
	RoleCanary = "canary"
	RoleNobody = "nobody"
)

// byPod is how the Pod's name tells, as every scrape configuration sets it.
func byPod() Identity {
	return Identity{{Labels: map[string]string{"namespace": "{namespace}", "pod": "{pod}"}}}
}

// hashes is how a Pod's name goes on after its Deployment's: the hash of the
// ReplicaSet and five letters of its own. That echo-v1-beta is not echo-v1's is
// told by the number of its parts.
const hashes = `-[0-9a-z]+-[0-9a-z]{5}`

// fill puts a version of a release in the place of what stands for it.
func fill(pattern string, r Release, version string) string {
	w := r.workload(version)
	return strings.NewReplacer(
		"{namespace}", regexp.QuoteMeta(r.Namespace), "{app}", regexp.QuoteMeta(r.App),
		"{service}", regexp.QuoteMeta(r.Service), "{version}", regexp.QuoteMeta(w.Label),
		"{deployment}", regexp.QuoteMeta(w.Deployment), "{pod}", regexp.QuoteMeta(w.Deployment)+hashes,
	).Replace(pattern)
}

// versions are those that the mark tells; "" stands for that of nobody.
func (m Mark) versions(r Release) []string {
	switch m.Role {
	case RoleStable:
		return []string{r.Stable}
	case RoleCanary:
		return r.Versions()[1:]
	case RoleNobody:
		return []string{""}
	}
	return r.Versions()
}

// Matchers returns the regular expression for each label that together select
// the series of all the releases, and perhaps some more: one query does for any
// number.
func (i Identity) Matchers(releases []Release) map[string]string {
	values := map[string][]string{}
	for _, label := range i.common() {
		for _, mark := range i {
			for _, r := range releases {
				for _, v := range mark.versions(r) {
					values[label] = append(values[label], fill(mark.Labels[label], r, v))
				}
			}
		}
	}
	matchers := map[string]string{}
	for label, all := range values {
		slices.Sort(all)
		matchers[label] = strings.Join(slices.Compact(all), "|")
	}
	return matchers
}

// nobodyLast puts the marks that tell a version before those that tell none.
func nobodyLast(a, b Mark) int {
	switch {
	case a.Role != RoleNobody && b.Role == RoleNobody:
		return -1
	case a.Role == RoleNobody && b.Role != RoleNobody:
		return 1
	}
	return 0
}

// common are the labels of all marks.
func (i Identity) common() []string {
	var labels []string
	for label := range i[0].Labels {
		if !slices.ContainsFunc(i, func(m Mark) bool { _, ok := m.Labels[label]; return !ok }) {
			labels = append(labels, label)
		}
	}
	return labels
}

// OfPods reports whether the series are those of the application's own Pods,
// which the Pods themselves can be asked for.
func (i Identity) OfPods() bool {
	return !slices.ContainsFunc(i, func(m Mark) bool { return !strings.Contains(m.Labels["pod"], "{pod}") })
}

// Owner tells the series of one release from all others.
type Owner struct{ marks []ownMark }

type ownMark struct {
	version string
	labels  []exact
}

// exact is a label and what all of it must be. Most patterns are plain text, and
// many series are compared with many releases.
type exact struct {
	label   string
	text    string
	pattern *regexp.Regexp // nil where it is the text
}

// Owner makes one. An error wraps ErrProfile.
func (i Identity) Owner(r Release) (Owner, error) {
	var o Owner
	for _, mark := range slices.SortedStableFunc(slices.Values(i), nobodyLast) {
		for _, v := range mark.versions(r) {
			own := ownMark{version: v}
			for _, label := range slices.Sorted(maps.Keys(mark.Labels)) {
				e, err := newExact(label, fill(mark.Labels[label], r, v))
				if err != nil {
					return Owner{}, fmt.Errorf("%w: %w", ErrProfile, err)
				}
				own.labels = append(own.labels, e)
			}
			slices.SortStableFunc(own.labels, cheaper)
			o.marks = append(o.marks, own)
		}
	}
	return o, nil
}

func newExact(label, pattern string) (exact, error) {
	strict, err := whole(pattern)
	if err != nil {
		return exact{}, fmt.Errorf("label %s: %w", label, err)
	}
	// The anchors of a strict one hide that there is nothing else to it.
	if loose, err := regexp.Compile(pattern); err == nil {
		if text, all := loose.LiteralPrefix(); all || pattern == "" {
			return exact{label: label, text: text}, nil
		}
	}
	return exact{label: label, pattern: strict}, nil
}

// cheaper puts text before patterns.
func cheaper(a, b exact) int {
	switch {
	case a.pattern == nil && b.pattern != nil:
		return -1
	case a.pattern != nil && b.pattern == nil:
		return 1
	}
	return 0
}

// Version returns which version of the release a series belongs to; it is empty for
// one of the Service that says none.
func (o Owner) Version(labels map[string]string) (version string, ok bool) {
	for _, mark := range o.marks {
		if mark.match(labels) {
			return mark.version, true
		}
	}
	return "", false
}

func (m *ownMark) match(labels map[string]string) bool {
	for i := range m.labels {
		if !m.labels[i].match(labels[m.labels[i].label]) {
			return false
		}
	}
	return true
}

func (e *exact) match(value string) bool {
	if e.pattern != nil {
		return e.pattern.MatchString(value)
	}
	return value == e.text
}

// PodOf reports whether a Pod is of a version, by its name.
func (r Release) PodOf(version, pod string) bool {
	rest, ok := strings.CutPrefix(pod, r.workload(version).Deployment+"-")
	hash, own, two := strings.Cut(rest, "-")
	return ok && two && hash != "" && len(own) == 5 && !strings.Contains(own, "-")
}

func (i Identity) validate() error {
	if len(i) == 0 {
		return errors.New("identity is empty: it says which labels tell the versions apart")
	}
	roles := map[string]bool{}
	for _, mark := range i {
		if err := mark.validate(); err != nil {
			return fmt.Errorf("identity: %w", err)
		}
		roles[mark.Role] = true
	}
	if !roles[""] && (!roles[RoleStable] || !roles[RoleCanary]) {
		return errors.New("identity tells only one of stable and canary")
	}
	return nil
}

func (m Mark) validate() error {
	if m.Role != "" && m.Role != RoleStable && m.Role != RoleCanary && m.Role != RoleNobody {
		return fmt.Errorf("role %q: say %s, %s or %s, or leave it out", m.Role, RoleStable, RoleCanary, RoleNobody)
	}
	if err := labelNames(m.Labels); err != nil {
		return err
	}
	tells := m.Role != "" && len(m.Labels) > 0
	for label, pattern := range m.Labels {
		for _, name := range regexp.MustCompile(`\{[a-zA-Z]+\}`).FindAllString(pattern, -1) {
			if !slices.Contains(placeholders(), name) {
				return fmt.Errorf("label %s: nothing is called %s; there are %s", label, name, strings.Join(placeholders(), ", "))
			}
		}
		if _, err := newExact(label, fill(pattern, Release{}, "")); err != nil {
			return err
		}
		tells = tells || strings.Contains(pattern, "{version}") || strings.Contains(pattern, "{pod}") || strings.Contains(pattern, "{deployment}")
	}
	if !tells {
		return errors.New("no label tells the versions apart: put {version}, {deployment} or {pod} where it stands in a label's value")
	}
	return nil
}

func placeholders() []string {
	return []string{"{namespace}", "{app}", "{service}", "{version}", "{deployment}", "{pod}"}
}

func labelNames(labels map[string]string) error {
	for label := range labels {
		if !regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`).MatchString(label) {
			return fmt.Errorf("%q is no name of a label", label)
		}
	}
	return nil
}
