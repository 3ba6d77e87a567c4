package hook

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/canaryctl/canaryctl/internal/event"
)

// ErrSpec marks a gate or a notification that cannot be used as it is written.
var ErrSpec = errors.New("invalid hook")

// Validate names the field that is wrong, as it stands below the gate; it never
// quotes an address.
func (g Gate) Validate() error {
	if err := one(choice{"webhook", g.Webhook != nil}, choice{"command", g.Command != nil}); err != nil {
		return err
	}
	if g.Every < 0 {
		return fmt.Errorf("every: %s is negative", g.Every)
	}
	return errors.Join(below("webhook", g.Webhook), below("command", g.Command))
}

// Validate names the field that is wrong, as it stands below the notification;
// it never quotes an address.
func (n Notification) Validate() error {
	err := one(choice{"webhook", n.Webhook != nil}, choice{"slack", n.Slack != nil}, choice{"command", n.Command != nil})
	if err != nil {
		return err
	}
	for i, kind := range n.On {
		if !slices.Contains(event.Kinds(), kind) {
			return fmt.Errorf("on[%d]: %q is no kind of event; there are %s", i, kind, list(event.Kinds()))
		}
	}
	return errors.Join(below("webhook", n.Webhook), below("slack", n.Slack), below("command", n.Command))
}

// Validate names the field that is wrong.
func (w Webhook) Validate() error {
	if err := one(choice{"url", w.URL != ""}, choice{"urlFile", w.URLFile != ""}, choice{"urlEnv", w.URLEnv != ""}); err != nil {
		return err
	}
	switch {
	case w.SecretFile != "" && w.SecretEnv != "":
		return errors.New("secretFile, secretEnv: only one of them can hold the key")
	case w.Timeout < 0:
		return fmt.Errorf("timeout: %s is negative", w.Timeout)
	case w.Retries != nil && *w.Retries < 0:
		return fmt.Errorf("retries: %d is negative", *w.Retries)
	case w.URL == "":
		return nil
	}
	u, err := address(w.URL)
	if err != nil {
		return fmt.Errorf("url: %w", err)
	}
	if u.User != nil {
		return errors.New("url: it holds a password, which a plan is no place for; put the URL into a file (urlFile) or a variable (urlEnv)")
	}
	return nil
}

// Validate names the field that is wrong.
func (c Command) Validate() error {
	switch {
	case len(c.Args) == 0 || c.Args[0] == "":
		return errors.New("args: it names no program")
	case strings.ContainsRune(strings.Join(c.Args, ""), 0):
		return errors.New("args: no argument can hold the character NUL")
	case c.Timeout < 0:
		return fmt.Errorf("timeout: %s is negative", c.Timeout)
	}
	return nil
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

// choice is a field of which exactly one of several may be given.
type choice struct {
	name  string
	given bool
}

func one(choices ...choice) error {
	var names, given []string
	for _, c := range choices {
		names = append(names, c.name)
		if c.given {
			given = append(given, c.name)
		}
	}
	switch len(given) {
	case 1:
		return nil
	case 0:
		return fmt.Errorf("%s: one of them must be given", list(names))
	}
	return fmt.Errorf("%s: only one of them can be given", list(given))
}

// below validates a field that may be absent.
func below[T interface{ Validate() error }](name string, v *T) error {
	if v == nil {
		return nil
	}
	if err := (*v).Validate(); err != nil {
		return fmt.Errorf("%s.%w", name, err)
	}
	return nil
}

func list[T ~string](names []T) string {
	var words []string
	for _, n := range names {
		words = append(words, string(n))
	}
	return strings.Join(words, ", ")
}
