package hook_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/hook"
)

func TestValidate(t *testing.T) {
	web := &hook.Webhook{URL: "https://qa.example/gate"}
	run := &hook.Command{Args: []string{"./smoke.sh"}}
	gate := func(w hook.Webhook) hook.Gate { return hook.Gate{Webhook: &w} }
	for _, tt := range []struct {
		name string
		spec interface{ Validate() error }
		want string
	}{
		{"a webhook", hook.Gate{Webhook: web}, ""},
		{"a command", hook.Gate{Command: run, Every: 1}, ""},
		{"from a file, signed", gate(hook.Webhook{URLFile: "/url", SecretEnv: "KEY", Retries: times(0)}), ""},
		{"neither", hook.Gate{}, "webhook, command: one of them must be given"},
		{"both", hook.Gate{Webhook: web, Command: run}, "webhook, command: only one of them can be given"},
		{"every", hook.Gate{Webhook: web, Every: -1}, "every: -1ns is negative"},
		{"no URL", gate(hook.Webhook{}), "webhook.url, urlFile, urlEnv: one of them must be given"},
		{"two URLs", gate(hook.Webhook{URL: "https://x", URLEnv: "X"}), "webhook.url, urlEnv: only one of them can be given"},
		{"another scheme", gate(hook.Webhook{URL: "file:///s3cr3t"}), "webhook.url: it is no URL such as https://hooks.example/release"},
		{"no host", gate(hook.Webhook{URL: "https:///s3cr3t"}), "webhook.url: it is no URL such as https://hooks.example/release"},
		{"no URL at all", gate(hook.Webhook{URL: "https://s3cr3t\x00"}), "webhook.url: it is no URL such as https://hooks.example/release"},
		{"a password", gate(hook.Webhook{URL: "https://me:s3cr3t@x"}), "webhook.url: it holds a password, which a plan is no place for; put the URL into a file (urlFile) or a variable (urlEnv)"},
		{"two keys", gate(hook.Webhook{URL: "https://x", SecretEnv: "X", SecretFile: "x"}), "webhook.secretFile, secretEnv: only one of them can hold the key"},
		{"timeout", gate(hook.Webhook{URL: "https://x", Timeout: -1}), "webhook.timeout: -1ns is negative"},
		{"retries", gate(hook.Webhook{URL: "https://x", Retries: times(-1)}), "webhook.retries: -1 is negative"},
		{"no program", hook.Gate{Command: &hook.Command{}}, "command.args: it names no program"},
		{"an empty program", hook.Gate{Command: &hook.Command{Args: []string{"", "x"}}}, "command.args: it names no program"},
		{"NUL", hook.Gate{Command: &hook.Command{Args: []string{"a", "b\x00c"}}}, "command.args: no argument can hold the character NUL"},
		{"command's timeout", hook.Gate{Command: &hook.Command{Args: []string{"a"}, Timeout: -1}}, "command.timeout: -1ns is negative"},
		{"Slack", hook.Notification{Slack: web, On: []event.Kind{event.Promoted}}, ""},
		{"told nowhere", hook.Notification{}, "webhook, slack, command: one of them must be given"},
		{"told twice", hook.Notification{Slack: web, Command: run}, "slack, command: only one of them can be given"},
		{"of nothing known", hook.Notification{Slack: web, On: []event.Kind{"promoted", "done"}}, `on[1]: "done" is no kind of event; there are started, attached,`},
		{"Slack's URL", hook.Notification{Slack: &hook.Webhook{URL: "hooks.slack.com/s3cr3t"}}, "slack.url: it is no URL such as https://hooks.example/release"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.spec.Validate()
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)):
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestNewGatesNamesTheGate(t *testing.T) {
	_, err := hook.NewGates(map[string]hook.Gate{"qa": {Webhook: &hook.Webhook{}}}, hook.Config{})
	if !errors.Is(err, hook.ErrSpec) || hint.Of(err) == "" || err.Error() != "invalid hook: spec.gates.qa.webhook.url, urlFile, urlEnv: one of them must be given" {
		t.Error(err)
	}
}

func TestLocal(t *testing.T) {
	w := &hook.Webhook{URLFile: "/etc/url", URLEnv: "WHERE", SecretFile: "/etc/key", SecretEnv: "KEY"}
	for _, tt := range []struct {
		spec interface{ Local() []string }
		want []string
	}{
		{hook.Gate{Webhook: &hook.Webhook{URL: "https://qa.example"}}, nil},
		{hook.Gate{Webhook: w}, []string{"the file /etc/url", "the file /etc/key", "the variable WHERE", "the variable KEY"}},
		{hook.Notification{Slack: &hook.Webhook{URLEnv: "SLACK"}}, []string{"the variable SLACK"}},
		{hook.Notification{Webhook: &hook.Webhook{SecretEnv: "KEY"}}, []string{"the variable KEY"}},
		{hook.Gate{Command: &hook.Command{Args: []string{"./smoke.sh", "--fast", "", "a b", "x\x1b[2K"}}}, []string{`the command ./smoke.sh --fast "" "a b" "x\x1b[2K"`}},
		{hook.Notification{Command: &hook.Command{Args: []string{"tell"}}}, []string{"the command tell"}},
	} {
		if diff := cmp.Diff(tt.want, tt.spec.Local()); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.spec, diff)
		}
	}
}
