// Package hook asks and tells those outside: gates that must agree before a
// step, and notifications of what happens. A notification never holds a release
// up, and a gate that does not answer is a gate that is closed.
package hook

import (
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
)

// Gate must agree before a step or the promotion begins: a webhook or a command,
// one of the two.
type Gate struct {
	Webhook *Webhook `json:"webhook,omitempty"`
	Command *Command `json:"command,omitempty"`
	// Every is how often it is asked again while it is closed; zero for 5s.
	Every canary.Duration `json:"every,omitempty"`
}

// Notification is told of events.
type Notification struct {
	// On names the kinds of events; empty for all but evidence and waiting.
	On []event.Kind `json:"on,omitempty"`
	// One of: Webhook gets CloudEvents, Slack what Slack's incoming webhooks
	// take, Command the event as JSON on its standard input.
	Webhook *Webhook `json:"webhook,omitempty"`
	Slack   *Webhook `json:"slack,omitempty"`
	Command *Command `json:"command,omitempty"`
}

// Webhook is where a request goes, by POST. What is secret stands in a file or an
// environment variable, never in a plan.
type Webhook struct {
	// URL, or the file or variable that holds it.
	URL     string `json:"url,omitempty"`
	URLFile string `json:"urlFile,omitempty"`
	URLEnv  string `json:"urlEnv,omitempty"`
	// SecretFile or SecretEnv holds the key that signs the request; neither for
	// none.
	SecretFile string `json:"secretFile,omitempty"`
	SecretEnv  string `json:"secretEnv,omitempty"`
	// Timeout bounds one attempt; zero for 10s. Retries is how often a request
	// that got no answer, or 429 or 5xx, is sent again; nil for 3.
	Timeout canary.Duration `json:"timeout,omitempty"`
	Retries *int            `json:"retries,omitempty"`
}

// Command is a program to run here, without a shell.
type Command struct {
	Args    []string        `json:"args"`
	Timeout canary.Duration `json:"timeout,omitempty"` // zero for 1m
}
