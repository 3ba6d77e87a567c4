package hook

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
)

// ErrSpec marks a gate or a notification that cannot be used as it is written.
var ErrSpec = errors.New("invalid hook")

// mistakes gathers what is wrong. A field is empty for the whole of what is looked
// at. None quotes an address: it is often all that is needed to use it.
type mistakes []canary.Mistake

func (all *mistakes) unless(fine bool, field, format string, args ...any) {
	if !fine {
		*all = append(*all, canary.Mistake{Field: field, Text: fmt.Sprintf(format, args...)})
	}
}

// in adds the mistakes of a field.
func (all *mistakes) in(field string, inner []canary.Mistake) {
	for _, m := range inner {
		*all = append(*all, canary.Mistake{Field: Below(field, m.Field), Text: m.Text})
	}
}

// Below is the path of a field within another; either may be empty, for the whole.
func Below(outer, inner string) string {
	return strings.Trim(outer+"."+inner, ".")
}

// Mistakes are all fields that cannot be meant, as they stand below the gate.
func (g Gate) Mistakes() []canary.Mistake {
	var all mistakes
	all.unless(one(g.Webhook != nil, g.Command != nil), "", "a gate is a webhook or a command, one of the two")
	all.unless(g.Every >= 0, "every", "it cannot be negative, and is %s", g.Every)
	all.in("webhook", g.Webhook.mistakes())
	all.in("command", g.Command.mistakes())
	return all
}

// Mistakes are all fields that cannot be meant, as they stand below the notification.
func (n Notification) Mistakes() []canary.Mistake {
	var all mistakes
	all.unless(one(n.Webhook != nil, n.Slack != nil, n.Command != nil), "", "it goes to a webhook, to slack or to a command, one of the three")
	for i, kind := range n.On {
		all.unless(slices.Contains(event.Kinds(), kind), fmt.Sprintf("on[%d]", i), "%q is no kind of event; there are %s", kind, list(event.Kinds()))
	}
	all.in("webhook", n.Webhook.mistakes())
	all.in("slack", n.Slack.mistakes())
	all.in("command", n.Command.mistakes())
	return all
}

func (w *Webhook) mistakes() []canary.Mistake {
	if w == nil {
		return nil
	}
	var all mistakes
	all.unless(one(w.URL != "", w.URLFile != "", w.URLEnv != ""), "", "say where it is: one of url, urlFile and urlEnv")
	all.unless(w.SecretFile == "" || w.SecretEnv == "", "secretEnv", "there is one key: secretFile or secretEnv")
	all.unless(w.Timeout >= 0, "timeout", "it cannot be negative, and is %s", w.Timeout)
	all.unless(w.Retries == nil || *w.Retries >= 0, "retries", "there cannot be less than 0")
	if w.URL == "" {
		return all
	}
	u, err := address(w.URL)
	if err != nil {
		all.unless(false, "url", "%v", err)
		return all
	}
	all.unless(!secret(u), "url", "whoever reads the plan or the route would know the secret in it; put the URL into a file, as urlFile, or a variable, as urlEnv")
	return all
}

func (c *Command) mistakes() []canary.Mistake {
	if c == nil {
		return nil
	}
	var all mistakes
	all.unless(len(c.Args) > 0 && c.Args[0] != "", "args", "it names no program")
	all.unless(!strings.ContainsRune(strings.Join(c.Args, ""), 0), "args", "no argument can hold the character NUL")
	all.unless(c.Timeout >= 0, "timeout", "it cannot be negative, and is %s", c.Timeout)
	return all
}

// invalid is an ErrSpec of the first mistake in a field of the plan, or nil.
func invalid(field string, all []canary.Mistake) error {
	if len(all) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s: %s", ErrSpec, Below(field, all[0].Field), all[0].Text)
}

// address reads a URL. Its error does not quote it: a webhook's URL is often all
// that is needed to use it.
func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, errors.New("it is no URL such as https://hooks.example/release")
	}
	return u, nil
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

func list[T ~string](names []T) string {
	var words []string
	for _, n := range names {
		words = append(words, string(n))
	}
	return strings.Join(words, ", ")
}
