package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/record"
)

// Outcome is the outcome in a word or two.
func Outcome(r record.Release) string {
	switch r.Outcome {
	case canary.Promoted:
		return "Promoted"
	case canary.RolledBack:
		return "Rolled back"
	case canary.Paused:
		return "Paused"
	}
	return "Not over"
}

// Sentence is the outcome in a sentence, with its full stop.
func Sentence(r record.Release) string {
	took := span(r.Last.Sub(r.Began))
	switch r.Outcome {
	case canary.Promoted:
		return fmt.Sprintf("%s is the stable version of %s: it was promoted %s after the release began, %s. %s", r.To, r.App, took, basis(r), hurt(r))
	case canary.RolledBack:
		return fmt.Sprintf("%s of %s was rolled back %s: %s. %s", r.To, r.App, after(r), r.Why, hurt(r))
	}
	return fmt.Sprintf("The release of %s of %s is not over: after %s it stands at %s, with %s%% of the traffic; %s.",
		r.To, r.App, took, place(r.Events[len(r.Events)-1].At), r.Events[len(r.Events)-1].At.Weight, strings.TrimSuffix(r.Why, "."))
}

// after is how long the canary had had traffic.
func after(r record.Release) string {
	for _, e := range r.Course() {
		if e.At.Weight > 0 {
			return span(r.Last.Sub(e.Time)) + " after it first got traffic"
		}
	}
	return "before it got any traffic"
}

func basis(r record.Release) string {
	switch r.Basis {
	case canary.Proved:
		return "on proof"
	case canary.PassedOnExposure:
		return "on the planned exposure without an alarm, which is no proof"
	case canary.ByHand:
		if r.EndedBy != "" {
			return "by hand, by " + r.EndedBy
		}
		return "by hand"
	}
	return "on a basis that the record does not name"
}

func hurt(r record.Release) string {
	h := r.Hurt
	switch {
	case h.Harm > float64(h.Bad)+0.5: // beyond those that failed there are some who got nothing
		return fmt.Sprintf("It answered %s, of which %s failed; about %s users got no answer, or a bad one, whom %s would have served.",
			requests(h.Requests), analysis.Thousands(h.Bad), digits(math.Round(h.Harm)), r.From)
	case h.Requests == 0:
		return "No request is known to have been hurt."
	case h.Bad == 0:
		return fmt.Sprintf("None of its %s failed.", requests(h.Requests))
	case h.Harm < 0.5:
		return fmt.Sprintf("Of its %s %s failed, no more than %s would have.", requests(h.Requests), analysis.Thousands(h.Bad), r.From)
	}
	return fmt.Sprintf("Of its %s %s failed, about %s more than %s would have.", requests(h.Requests), analysis.Thousands(h.Bad), digits(math.Round(h.Harm)), r.From)
}

func requests(n uint64) string {
	if n == 1 {
		return "one request"
	}
	return analysis.Thousands(n) + " requests"
}

func place(at event.At) string {
	switch {
	case at.Phase == canary.Promoting:
		return "the roll of the stable Deployment"
	case at.Step < 0:
		return "its preparation"
	}
	return fmt.Sprintf("step %d of %d", at.Step+1, at.Steps)
}

// Decision says what decided and what that guarantees, in plain words, a
// paragraph each.
func Decision(r record.Release) []string {
	switch {
	case r.Outcome == canary.RolledBack && r.Known != nil && r.Known.Verdict == canary.Fail:
		return append([]string{"The evidence decided: " + dot(said(r.Known.Why, r.Why))}, against(r)...)
	case r.Outcome == canary.RolledBack:
		return []string{"Not the evidence decided, but this: " + dot(r.Why), "Such an end claims nothing about how often the canary fails."}
	case r.Outcome == canary.Promoted && r.Basis == canary.Proved:
		return append([]string{"The evidence decided: " + dot(r.Why)}, proof(r)...)
	case r.Outcome == canary.Promoted && r.Basis == canary.PassedOnExposure:
		return append([]string{"The plan decided: " + dot(r.Why), "That has the power which the plan was made for: harm that was large enough would have shown by then. It is no proof that there is none."}, stood(r)...)
	case r.Outcome == canary.Promoted:
		return append([]string{"A person decided: " + dot(r.Why)}, stood(r)...)
	}
	return append([]string{"Nothing is decided yet."}, stood(r)...)
}

// against is the guarantee of a rollback: the chance that a canary which is no
// worse than allowed ever meets it.
func against(r record.Release) []string {
	var all []string
	var alpha float64
	for _, m := range r.Known.Metrics {
		alpha += math.Exp(-m.Threshold)
		if m.LogE >= m.Threshold {
			all = append(all, fmt.Sprintf("By %s, the evidence against %s reached %s, and %s suffices.", m.Name, r.To, oddsText(m.LogE), oddsText(m.Threshold)))
		}
	}
	if len(all) == 0 { // something else failed it, as restarts of its Pods
		return nil
	}
	return append(all, fmt.Sprintf("Of all canaries that fail no more often than the tolerance allows, at most %s is ever rolled back by such evidence, however often one looks.", oneIn(alpha)))
}

// proof is the guarantee of a promotion.
func proof(r record.Release) []string {
	if r.Known == nil {
		return nil
	}
	var all []string
	alpha := 0.0
	for _, m := range r.Known.Metrics {
		alpha = max(alpha, math.Exp(-m.PassAt))
		all = append(all, fmt.Sprintf("By %s, the evidence for %s stood at %s, and %s suffices.", m.Name, r.To, oddsText(m.LogPass), oddsText(m.PassAt)))
	}
	return append(all, fmt.Sprintf("Of all canaries that are worse than the margin allows, at most %s is ever promoted on such evidence, however often one looks.", oneIn(alpha)))
}

// stood is what the evidence said where it did not decide.
func stood(r record.Release) []string {
	if r.Known == nil {
		return []string{"Of the canary's answers nothing is recorded."}
	}
	var all []string
	for _, m := range r.Known.Metrics {
		all = append(all, fmt.Sprintf("By %s, the evidence stood at %s against %s, where %s rolls it back, and at %s for it, where %s is proof.",
			m.Name, oddsText(m.LogE), r.To, oddsText(m.Threshold), oddsText(m.LogPass), oddsText(m.PassAt)))
	}
	return all
}

// oneIn is a small probability as people say it, and never smaller than it is.
func oneIn(alpha float64) string {
	if alpha >= 1 {
		return "each one"
	}
	return "1 in " + analysis.Thousands(uint64(math.Floor(1/alpha+1e-6)))
}

func said(one, other string) string {
	if one == "" {
		return other
	}
	return one
}

func dot(sentence string) string {
	if sentence == "" {
		return "the record does not say why."
	}
	return strings.TrimSuffix(sentence, ".") + "."
}

// method says how to read the curves.
func method() []string {
	return []string{
		"Evidence is a bet. It begins at 1:1, and grows with every failed request that a canary as good as stable would not have. If the canary is no worse than allowed, the chance that it ever reaches N:1 is at most 1 in N (Ville's inequality, 1939). So it may be looked at all the time, and is not weakened by it.",
		"The band around the ratio holds the true one with 95% confidence at every moment at once. Only requests of the same seconds are compared, so load, time of day and a shared outage favour neither version.",
		"These guarantees are for requests that fail independently of each other. Where they come in bursts, or by Pods, canaryctl measures by how much, and asks for more.",
		"Latency is interpolated within the buckets of a histogram: it is here to look at, and decides nothing by itself.",
	}
}
