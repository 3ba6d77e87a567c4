package hook

import (
	"strconv"
	"strings"
)

// Local lists what a gate would use of the machine that runs it: commands, files,
// variables, in words. A plan that was read from a route was written elsewhere,
// so whoever goes on with its release is told of these first.
func (g Gate) Local() []string {
	return append(g.Webhook.local(), g.Command.local()...)
}

// Local lists what a notification would use of the machine that runs it, as
// Gate.Local does.
func (n Notification) Local() []string {
	return append(append(n.Webhook.local(), n.Slack.local()...), n.Command.local()...)
}

func (w *Webhook) local() []string {
	if w == nil {
		return nil
	}
	var uses []string
	for _, file := range []string{w.URLFile, w.SecretFile} {
		if file != "" {
			uses = append(uses, "the file "+file)
		}
	}
	for _, name := range []string{w.URLEnv, w.SecretEnv} {
		if name != "" {
			uses = append(uses, "the variable "+name)
		}
	}
	return uses
}

func (c *Command) local() []string {
	if c == nil {
		return nil
	}
	var words []string
	for _, arg := range c.Args {
		if arg == "" || strconv.Quote(arg) != `"`+arg+`"` || strings.ContainsAny(arg, " '*?$;&|<>()") {
			arg = strconv.Quote(arg) // what a plan says must not look like something else
		}
		words = append(words, arg)
	}
	return []string{"the command " + strings.Join(words, " ")}
}
