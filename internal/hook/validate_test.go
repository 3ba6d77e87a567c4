package hook_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/hook"
)

func TestMistakes(t *testing.T) {
	web := &hook.Webhook{URL: "https://qa.example/gate"}
	run := &hook.Command{Args: []string{"./smoke.sh"}}
	gate := func(w hook.Webhook) hook.Gate { return hook.Gate{Webhook: &w} }
	for _, tt := range []struct {
		name string
		spec interface{ Mistakes() []canary.Mistake }
		want string
	}{
		{"a webhook", hook.Gate{Webhook: web}, ""},
		{"a command", hook.Gate{Command: run, Every: 1}, ""},
		{"from a file, signed", gate(hook.Webhook{URLFile: "/url", SecretEnv: "KEY", Retries: times(0)}), ""},
		{"neither", hook.Gate{}, ": a gate is a webhook or a command, one of the two"},
		{"both", hook.Gate{Webhook: web, Command: run}, ": a gate is a webhook or a command, one of the two"},
		{"every", hook.Gate{Webhook: web, Every: -1}, "every: it cannot be negative, and is -1ns"},
		{"no URL", gate(hook.Webhook{}), "webhook: say where it is: one of url, urlFile and urlEnv"},
		{"two URLs", gate(hook.Webhook{URL: "https://x", URLEnv: "X"}), "webhook: say where it is: one of url, urlFile and urlEnv"},
		{"another scheme", gate(hook.Webhook{URL: "file:///s3cr3t"}), "webhook.url: it is no URL such as https://hooks.example/release"},
		{"no host", gate(hook.Webhook{URL: "https:///s3cr3t"}), "webhook.url: it is no URL such as https://hooks.example/release"},
		{"no URL at all", gate(hook.Webhook{URL: "https://s3cr3t\x00"}), "webhook.url: it is no URL such as https://hooks.example/release"},
		{"a password", gate(hook.Webhook{URL: "https://me:s3cr3t@x"}), "webhook.url: whoever reads the plan or the route would know the secret in it; put the URL into a file, as urlFile, or a variable, as urlEnv"},
		{"two keys", gate(hook.Webhook{URL: "https://x", SecretEnv: "X", SecretFile: "x"}), "webhook.secretEnv: there is one key: secretFile or secretEnv"},
		{"timeout", gate(hook.Webhook{URL: "https://x", Timeout: -1}), "webhook.timeout: it cannot be negative, and is -1ns"},
		{"retries", gate(hook.Webhook{URL: "https://x", Retries: times(-1)}), "webhook.retries: there cannot be less than 0"},
		{"no program", hook.Gate{Command: &hook.Command{}}, "command.args: it names no program"},
		{"an empty program", hook.Gate{Command: &hook.Command{Args: []string{"", "x"}}}, "command.args: it names no program"},
		{"NUL", hook.Gate{Command: &hook.Command{Args: []string{"a", "b\x00c"}}}, "command.args: no argument can hold the character NUL"},
		{"command's timeout", hook.Gate{Command: &hook.Command{Args: []string{"a"}, Timeout: -1}}, "command.timeout: it cannot be negative, and is -1ns"},
		{"Slack", hook.Notification{Slack: web, On: []event.Kind{event.Promoted}}, ""},
		{"told nowhere", hook.Notification{}, ": it goes to a webhook, to slack or to a command, one of the three"},
		{"told twice", hook.Notification{Slack: web, Command: run}, ": it goes to a webhook, to slack or to a command, one of the three"},
		{"of nothing known", hook.Notification{Slack: web, On: []event.Kind{"promoted", "done"}}, `on[1]: "done" is no kind of event; there are started, attached,`},
		{"Slack's URL", hook.Notification{Slack: &hook.Webhook{URL: "hooks.slack.com/s3cr3t"}}, "slack.url: it is no URL such as https://hooks.example/release"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, m := range tt.spec.Mistakes() {
				got = append(got, m.Field+": "+m.Text)
			}
			switch {
			case tt.want == "" && got != nil:
				t.Errorf("got %q", got)
			case tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], tt.want)):
				t.Errorf("got %q, want %s", got, tt.want)
			}
		})
	}
}

func TestNewGatesNamesTheGate(t *testing.T) {
	_, err := hook.NewGates(map[string]hook.Gate{"qa": {Webhook: &hook.Webhook{}}}, hook.Config{})
	if !errors.Is(err, hook.ErrSpec) || hint.Of(err) == "" || err.Error() != "invalid hook: spec.gates.qa.webhook: say where it is: one of url, urlFile and urlEnv" {
		t.Error(err)
	}
}
