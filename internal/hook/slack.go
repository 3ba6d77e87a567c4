package hook

import (
	"fmt"
	"strings"

	"github.com/canaryctl/canaryctl/internal/event"
)

// slackPost is what Slack's incoming webhooks take, and those of Mattermost and
// Rocket.Chat, which show Text alone.
//
// https://docs.slack.dev/messaging/formatting-message-text
type slackPost struct {
	Text   string       `json:"text"`
	Blocks []slackBlock `json:"blocks"`
}

type slackBlock struct {
	Type     string      `json:"type"`
	Text     *slackText  `json:"text,omitempty"`
	Elements []slackText `json:"elements,omitempty"`
}

// slackText is verbatim: no name in it calls anybody, and nothing becomes a link.
type slackText struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Verbatim bool   `json:"verbatim"`
}

func slackMessage(e event.Event) slackPost {
	app := escape(e.Release.Namespace + "/" + e.Release.App)
	what := escape(headline(e))
	said := escape(plain(e.Message))
	return slackPost{
		Text: app + " " + what + ": " + said,
		Blocks: []slackBlock{
			{Type: "section", Text: &slackText{"mrkdwn", "*" + app + "* " + what + "\n" + said, true}},
			{Type: "context", Elements: []slackText{{"mrkdwn", escape(strings.Join(circumstances(e), " · ")), true}}},
		},
	}
}

// headline says what happened to what, in a few words: "v2 is rolled back".
func headline(e event.Event) string {
	to := said(plain(e.Release.To), "the canary")
	switch e.Kind {
	case event.Started:
		return fmt.Sprintf("release of %s over %s begins", to, e.Release.From)
	case event.Step:
		return fmt.Sprintf("%s has %s%% of the traffic", to, e.At.Weight)
	case event.Promoted:
		return to + " is promoted"
	case event.RolledBack:
		return to + " is rolled back"
	case event.Paused:
		return to + " is paused"
	case event.Resumed:
		return to + " goes on"
	}
	return fmt.Sprintf("%s: %s", to, e.Kind)
}

// circumstances are where the release stands, each in a few words.
func circumstances(e event.Event) []string {
	words := []string{fmt.Sprintf("%s at %s%%", said(string(e.At.Phase), "release"), e.At.Weight)}
	if e.At.Step >= 0 && e.At.Steps > 0 {
		words = append(words, fmt.Sprintf("step %d of %d", e.At.Step+1, e.At.Steps))
	}
	if e.At.Basis != "" {
		words = append(words, string(e.At.Basis))
	}
	if e.Known != nil {
		for _, m := range e.Known.Metrics {
			words = append(words, fmt.Sprintf("%s: canary %d of %d, stable %d of %d",
				plain(m.Name), m.Canary.Bad, m.Canary.Requests, m.Stable.Bad, m.Stable.Requests))
		}
	}
	if e.By != "" {
		words = append(words, "by "+plain(e.By))
	}
	return append(words, "release "+plain(e.Release.ID))
}

// escape is for the three characters that mean something to Slack everywhere.
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
