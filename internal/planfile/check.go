package planfile

import (
	"fmt"
	"maps"
	"slices"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/hook"
)

// Validate returns all that cannot be meant as Mistakes without a file; nil where
// a release may follow the document.
func (d Document) Validate() error {
	var all Mistakes
	for _, m := range d.mistakes() {
		all = append(all, Mistake{Field: m.Field, Text: m.Text})
	}
	if all == nil {
		return nil
	}
	return all
}

// checks gathers mistakes.
type checks []canary.Mistake

func (all *checks) unless(fine bool, field, format string, args ...any) {
	if !fine {
		*all = append(*all, canary.Mistake{Field: field, Text: fmt.Sprintf(format, args...)})
	}
}

// below adds the mistakes in a field.
func (all *checks) below(field string, inner []canary.Mistake) {
	for _, m := range inner {
		*all = append(*all, canary.Mistake{Field: hook.Below(field, m.Field), Text: m.Text})
	}
}

func (d Document) mistakes() []canary.Mistake {
	var all checks
	all.unless(d.APIVersion == APIVersion, "apiVersion", "%q is not %s, which is what this canaryctl reads", d.APIVersion, APIVersion)
	all.unless(d.Kind == Kind, "kind", "%q is not %s", d.Kind, Kind)
	all.below("spec", d.Spec.Mistakes())
	d.Spec.Analysis.check(&all)
	d.checkGates(&all)
	for i, n := range d.Spec.Notify {
		checkNotification(n, fmt.Sprintf("spec.notify[%d]", i), &all)
	}
	if stored, err := d.stored(); err == nil {
		all.unless(len(stored) <= maxStored, "", "the route would carry %d bytes of it, and has room for %d", len(stored), maxStored)
	}
	return all
}

// checkGates holds the names of gates against the gates.
func (d Document) checkGates(all *checks) {
	names := slices.Sorted(maps.Keys(d.Spec.Gates))
	used := map[string]bool{}
	use := func(field, name string) {
		if name == "" {
			return
		}
		used[name] = true
		if _, known := d.Spec.Gates[name]; known {
			return
		}
		if near := nearest(name, names); near != "" {
			all.unless(false, field, "spec.gates has no %q; did you mean %s?", name, near)
			return
		}
		all.unless(false, field, "spec.gates has no %q", name)
	}
	for i, s := range d.Spec.Steps {
		use(fmt.Sprintf("spec.steps[%d].gate", i), s.Gate)
	}
	confirm := d.confirm()
	use("spec.confirm.start", confirm.Start)
	use("spec.confirm.step", confirm.Step)
	use("spec.confirm.promotion", confirm.Promotion)
	for _, name := range names {
		at, gate := "spec.gates."+name, d.Spec.Gates[name]
		all.unless(used[name], at, "nobody asks this gate; name it in spec.confirm or in a step's gate")
		all.below(at, gate.Mistakes())
	}
}

// checkNotification adds to the hook's own words what was probably meant.
func checkNotification(n hook.Notification, at string, all *checks) {
	var kinds []string
	for _, k := range event.Kinds() {
		kinds = append(kinds, string(k))
	}
	wrong := n.Mistakes()
	for i, k := range n.On {
		field := fmt.Sprintf("on[%d]", i)
		if near := nearest(string(k), kinds); near != "" {
			for j := range wrong {
				if wrong[j].Field == field {
					wrong[j].Text = fmt.Sprintf("%q is no kind of event; did you mean %s?", k, near)
				}
			}
		}
	}
	all.below(at, wrong)
}
