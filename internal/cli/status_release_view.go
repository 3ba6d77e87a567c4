package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/status"
	"github.com/canaryctl/canaryctl/internal/steer"
)

// releaseStatus is a release as status shows it.
type releaseStatus struct{ *status.Release }

// line is a release in a few words, without the figures that never stand still.
func (s releaseStatus) line() string {
	text := fmt.Sprintf("release %s %s", s.ID, s.Phase)
	switch {
	case s.Phase.Over():
	case s.Rolling:
		text += ", in its promotion"
	case s.Step > 0 && len(s.Steps) > 0:
		text += fmt.Sprintf(", step %d of %d", s.Step, len(s.Steps))
	}
	if s.Why != "" {
		text += ": " + strings.TrimSuffix(s.Why, ".")
	}
	switch {
	case s.Phase.Over():
	case s.Driven():
		text += ", driven by " + s.Driver.Name
	case s.Reason == "":
		text += ", driven by nobody"
	}
	if s.Wish != "" {
		text += ", asked to " + asking(s.Wish)
	}
	if s.Known != nil && s.Known.Verdict != "" && !s.Phase.Over() {
		text += ", evidence " + string(s.Known.Verdict)
	}
	return text
}

// table is a release for a person, at a moment.
func (s releaseStatus) table(now time.Time) string {
	var b strings.Builder
	since := func(t time.Time) string { return now.Sub(t).Round(time.Second).String() }
	if s.Phase.Over() {
		r := canary.Release{Phase: s.Phase, Basis: s.Basis, Why: s.Why}
		fmt.Fprintf(&b, "last release %s%s%s: %s, %s ago", s.ID, prefixed(" of ", s.Image), prefixed(", begun by ", s.By), steer.Outcome(r), since(s.Since))
		return b.String()
	}
	fmt.Fprintf(&b, "release %s%s: %s, begun %s ago%s\n", s.ID, prefixed(" of ", s.Image), s.Phase, since(s.Started), prefixed(" by ", s.By))
	if len(s.Steps) > 0 {
		fmt.Fprintf(&b, "  steps     %s\n", s.path())
	}
	fmt.Fprintf(&b, "  at        %s, since %s%s\n", s.place(), s.Since.In(now.Location()).Format("15:04:05"), s.more(now))
	switch {
	case s.Phase == canary.Paused:
		fmt.Fprintf(&b, "  paused    %s ago: %s; canaryctl resume goes on\n", since(s.Paused), strings.TrimSuffix(s.Why, "."))
	case s.Waits != "" && s.Driven():
		fmt.Fprintf(&b, "  waits     %s\n", s.Waits)
	}
	if s.Wish != "" {
		fmt.Fprintf(&b, "  asked     to %s\n", asking(s.Wish))
	}
	switch {
	case s.Driven():
		fmt.Fprintf(&b, "  driven    by %s, seen %s ago\n", s.Driver.Name, since(s.Driver.Renewed))
	case s.Driver != nil:
		fmt.Fprintf(&b, "  driven    by nobody: %s was seen last %s ago; canaryctl resume goes on\n", s.Driver.Name, since(s.Driver.Renewed))
	case s.Reason == "":
		fmt.Fprintf(&b, "  driven    by nobody: canaryctl resume goes on\n")
	}
	if s.Known != nil {
		b.WriteString(s.evidence(now))
	}
	if s.Reason != "" {
		fmt.Fprintf(&b, "  unknown   %s\n", s.Reason)
	}
	return strings.TrimRight(b.String(), "\n")
}

// prefixed is a text that may be missing, with what goes before it.
func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// path is the way that the release goes, with the present place in brackets.
func (s releaseStatus) path() string {
	var parts []string
	for i, step := range s.Steps {
		name := fmt.Sprintf("%s%%", step.Weight)
		switch {
		case step.Header != "":
			name = step.Header
		case step.Mirror:
			name = fmt.Sprintf("%s%% mirrored", step.Weight)
		}
		if i+1 == s.Step && !s.Rolling {
			name = "[" + name + "]"
		}
		parts = append(parts, name)
	}
	end := "promotion"
	if s.Rolling {
		end = "[promotion]"
	}
	return strings.Join(append(parts, end), " > ")
}

// place is where the release stands, with the weight that it set.
func (s releaseStatus) place() string {
	at := at(canary.Release{Phase: s.Phase, Step: s.Step - 1, Basis: s.Basis}, len(s.Steps))
	at = strings.TrimPrefix(strings.TrimPrefix(at, "at "), "in ")
	return fmt.Sprintf("%s, %s%%", at, s.Weight)
}

// more is how much longer the present step takes, as far as that is known.
func (s releaseStatus) more(now time.Time) string {
	if left := s.Least(now); left > 0 {
		return fmt.Sprintf("; at least %s more", left.Round(time.Second))
	}
	return ""
}

// evidence is what whoever drives the release knew of the canary, and how long
// ago.
func (s releaseStatus) evidence(now time.Time) string {
	var b strings.Builder
	k := s.Known
	fmt.Fprintf(&b, "  evidence  %s", k.Verdict)
	if k.Why != "" {
		fmt.Fprintf(&b, ": %s", strings.TrimSuffix(k.Why, "."))
	}
	fmt.Fprintf(&b, " (%s ago)\n", now.Sub(s.KnownAt).Round(time.Second))
	for _, m := range k.Metrics {
		fmt.Fprintf(&b, "            %s: canary %s, stable %s%s\n", m.Name, failed(m.Canary), failed(m.Stable), ratio(m))
	}
	if k.Needed != nil && *k.Needed > 0 && s.Driven() {
		fmt.Fprintf(&b, "            a decision takes about %s more at this rate\n", time.Duration(*k.Needed*float64(time.Second)).Round(time.Second))
	}
	return b.String()
}

func failed(a event.Arm) string {
	text := analysis.Thousands(a.Bad) + " of " + analysis.Thousands(a.Requests)
	if a.Requests > 0 {
		text += fmt.Sprintf(" (%.2f%%)", 100*float64(a.Bad)/float64(a.Requests))
	}
	return text
}

func ratio(m event.Metric) string {
	if m.Ratio == nil {
		return ""
	}
	text := fmt.Sprintf("; %s times as often", figure(analysis.Number(*m.Ratio)))
	if m.Lower != nil && m.Upper != nil {
		text += fmt.Sprintf(", between %s and %s", figure(analysis.Number(*m.Lower)), figure(analysis.Number(*m.Upper)))
	}
	return text
}
