package planfile

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

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

func (d Document) mistakes() []canary.Mistake {
	var all checks
	all.unless(d.APIVersion == APIVersion, "apiVersion", "%q is not %s, which is what this canaryctl reads", d.APIVersion, APIVersion)
	all.unless(d.Kind == Kind, "kind", "%q is not %s", d.Kind, Kind)
	for _, m := range d.Spec.Mistakes() {
		all.unless(false, "spec."+m.Field, "%s", m.Text)
	}
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
		all.unless(one(gate.Webhook != nil, gate.Command != nil), at, "a gate is a webhook or a command, one of the two")
		all.unless(gate.Every >= 0, at+".every", "it cannot be negative, and is %s", gate.Every)
		checkWebhook(gate.Webhook, at+".webhook", all)
		checkCommand(gate.Command, at+".command", all)
	}
}

func checkNotification(n hook.Notification, at string, all *checks) {
	all.unless(one(n.Webhook != nil, n.Slack != nil, n.Command != nil), at, "it goes to a webhook, to slack or to a command, one of the three")
	var kinds []string
	for _, k := range event.Kinds() {
		kinds = append(kinds, string(k))
	}
	for i, k := range n.On {
		if slices.Contains(kinds, string(k)) {
			continue
		}
		advice := "there are " + strings.Join(kinds, ", ")
		if near := nearest(string(k), kinds); near != "" {
			advice = "did you mean " + near + "?"
		}
		all.unless(false, fmt.Sprintf("%s.on[%d]", at, i), "%q is no kind of event; %s", k, advice)
	}
	checkWebhook(n.Webhook, at+".webhook", all)
	checkWebhook(n.Slack, at+".slack", all)
	checkCommand(n.Command, at+".command", all)
}

func checkWebhook(w *hook.Webhook, at string, all *checks) {
	if w == nil {
		return
	}
	all.unless(one(w.URL != "", w.URLFile != "", w.URLEnv != ""), at, "say where it is: one of url, urlFile and urlEnv")
	all.unless(w.SecretFile == "" || w.SecretEnv == "", at+".secretEnv", "there is one key: secretFile or secretEnv")
	all.unless(w.Timeout >= 0, at+".timeout", "it cannot be negative, and is %s", w.Timeout)
	all.unless(w.Retries == nil || *w.Retries >= 0, at+".retries", "there cannot be less than 0")
	if w.URL == "" {
		return
	}
	u, err := url.Parse(w.URL)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "": // the text may be secret
		all.unless(false, at+".url", "it is no URL that begins with https:// or http://")
	case secret(u):
		all.unless(false, at+".url", "whoever reads the plan or the route would know the secret in it; put the URL into a file, as urlFile, or a variable, as urlEnv")
	}
}

// secret reports whether a URL says what not everybody may know. The URL of a
// Slack webhook is all that it takes to write there.
func secret(u *url.URL) bool {
	if u.User != nil || strings.HasPrefix(u.Hostname(), "hooks.slack") {
		return true
	}
	for key := range u.Query() {
		key = strings.ToLower(key)
		for _, word := range []string{"token", "secret", "key", "sig", "password", "auth"} {
			if strings.Contains(key, word) {
				return true
			}
		}
	}
	return false
}

func checkCommand(c *hook.Command, at string, all *checks) {
	if c == nil {
		return
	}
	all.unless(len(c.Args) > 0 && c.Args[0] != "", at+".args", "it names no program")
	all.unless(c.Timeout >= 0, at+".timeout", "it cannot be negative, and is %s", c.Timeout)
}

// one reports whether exactly one of them is so.
func one(all ...bool) bool {
	n := 0
	for _, so := range all {
		if so {
			n++
		}
	}
	return n == 1
}
