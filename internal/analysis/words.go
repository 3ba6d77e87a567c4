package analysis

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sentence is the whole verdict in words: what decided, or what is missing.
func (v *Verdict) sentence() string {
	parts := v.parts()
	text := strings.Join(parts, ". ")
	held := v.Pods != nil && v.Pods.Reason != ""
	if v.Outlook != nil || v.Verdict == Inconclusive && !held && v.compares() {
		text += "; " + v.Outlook.String()
	}
	text += v.joint()
	if held {
		text = v.Pods.words(v.Verdict) + ". " + text
	}
	if v.Reason != "" {
		text = fmt.Sprintf("Nothing new is known: %s. %s", v.Reason, text)
	}
	if v.Traffic != nil && v.Traffic.Differs && !slices.Contains(v.Causes, Unanswered) {
		text += fmt.Sprintf(". The route is to give the canary %s of the requests, and it got %s",
			percent(v.Traffic.Configured), percent(v.Traffic.Observed))
		if v.Traffic.Loose != "" {
			text += ", which need not mean anything: " + v.Traffic.Loose
		}
	}
	return text + "."
}

// parts are the sentences of what made the verdict. Where nothing counted did,
// they are those of everything that was counted.
func (v *Verdict) parts() []string {
	var made, all []string
	for _, m := range v.Metrics {
		if (m.Name == GivenUp || m.Name == Unanswered) && (m.Verdict == Pass || m.Canary.Requests == 0 && m.Verdict != Fail) {
			continue // nothing is wrong with how requests end, or errors say the same
		}
		if all = append(all, m.Summary); m.Verdict == v.Verdict {
			made = append(made, m.Summary)
		}
	}
	for _, l := range v.Limits {
		if l.Canary.Requests+v.Metrics[0].Canary.Requests == 0 {
			continue // which the metric says
		}
		if l.Verdict != Pass {
			all = append(all, l.Summary)
		}
		if l.Verdict == v.Verdict {
			made = append(made, l.Summary)
		}
	}
	if made == nil || v.Reason != "" || v.ofPods() {
		return all
	}
	return made
}

// joint says of a canary that no metric condemns by itself what all of them come to.
func (v *Verdict) joint() string {
	condemned := func(e Evidence) bool { return e.Peak >= e.Threshold }
	if v.Verdict != Fail || v.ofPods() || !condemned(v.Rollback) ||
		slices.ContainsFunc(v.Metrics, func(m MetricVerdict) bool { return condemned(m.Rollback) }) ||
		slices.ContainsFunc(v.Limits, func(l LimitVerdict) bool { return condemned(l.Rollback) }) {
		return ""
	}
	return fmt.Sprintf(". That is less than it takes by itself, and with all else that speaks against %s it is enough: %s:1 (%s:1 needed)",
		v.Versions.Canary, Odds(v.Rollback.Peak), Odds(v.Rollback.Threshold))
}

// ofPods reports whether the Pods made the verdict, and no metric did.
func (v *Verdict) ofPods() bool {
	return v.Pods != nil && v.Pods.Verdict == v.Verdict && (v.Verdict == Inconclusive || slices.Equal(v.Causes, []string{Restarts}))
}

// words say what the Pods mean for the verdict.
func (p *PodsVerdict) words(verdict Outcome) string {
	if p.Verdict == Inconclusive && verdict == Inconclusive {
		return "Nothing passes now: " + p.Reason
	}
	return "Pods: " + p.Reason
}

// compares reports whether more of the same traffic may decide every open metric.
func (v *Verdict) compares() bool {
	return !slices.ContainsFunc(v.Metrics, func(m MetricVerdict) bool {
		return m.Verdict == Inconclusive && (m.Canary.Requests == 0 || m.Stable.Requests == 0 || m.spotless())
	})
}

// String is when to expect a decision.
func (o *Outlook) String() string {
	if o == nil {
		return "how much longer it takes at this traffic cannot be told"
	}
	return fmt.Sprintf("about %s more at this traffic", Span(time.Duration(o.Seconds*float64(time.Second))))
}

// sentence is what one metric says.
func (e *evidence) sentence(m MetricVerdict, v Versions) string {
	of := ""
	if m.Name != Errors {
		of = " by " + m.Name
	}
	switch {
	case m.Reason != "":
		return fmt.Sprintf("Nothing is known of %s: %s", m.Name, m.Reason)
	case m.Stable.Requests == 0 && m.Canary.Requests == 0:
		return "No request of either version was counted yet" + of
	case m.Canary.Requests == 0 || m.Stable.Requests == 0:
		silent, other := v.Canary, v.Stable
		if m.Stable.Requests == 0 {
			silent, other = other, silent
		}
		return fmt.Sprintf("No request of %s was counted yet%s, and %s of %s", silent, of,
			Thousands(m.Canary.Requests+m.Stable.Requests), other)
	case m.Verdict == Fail:
		return e.harm(m, v) + ": " + m.counts() + m.Ratio.words()
	case m.Verdict == Pass:
		return e.safety(m, v) + ": " + m.counts() + m.Ratio.words()
	}
	if m.spotless() {
		return fmt.Sprintf("Not known yet: not one bad request%s, in %s of %s and %s of %s. There is nothing to compare; "+
			"to pass, it takes a level of bad requests that is negligible", of, Thousands(m.Canary.Requests), v.Canary, Thousands(m.Stable.Requests), v.Stable)
	}
	return fmt.Sprintf("Not known yet: %s%s. %s; %s", m.counts(), m.Ratio.words(), e.harm(m, v), lowerFirst(e.safety(m, v)))
}

// byShare reports whether the share of what ended says more than what is open.
func (e *evidence) byShare() bool {
	return math.Log(shareWeight)+e.share.PeakLogE() >= math.Log(1-shareWeight)+e.main.rollback.PeakLogE()
}

// hangs says that the canary does not answer, by its share of what ended.
func (a *Analysis) hangs(m MetricVerdict) string {
	return fmt.Sprintf("Evidence %s:1 (%s:1 needed) that %s leaves requests unanswered, since it hangs or cannot be reached: %s",
		Odds(m.Rollback.Peak), Odds(m.Rollback.Threshold), a.versions.Canary, a.unanswered.words(a.versions))
}

// spotless reports whether there is no bad request to compare, and no level below
// which none is needed.
func (m MetricVerdict) spotless() bool { return m.Stable.Bad+m.Canary.Bad == 0 && m.Negligible == nil }

// harm is the evidence for rolling back. What has crossed the threshold is told
// at its greatest, since it stays crossed.
func (e *evidence) harm(m MetricVerdict, v Versions) string {
	logE := m.Rollback.LogEvidence
	if m.Verdict == Fail {
		logE = m.Rollback.Peak
	}
	than := fmt.Sprintf("more often than %s", v.Stable)
	if e.config.Tolerance > 0 {
		than = fmt.Sprintf("more than %s times as often as %s", digits(1+e.config.Tolerance, 4), v.Stable)
	}
	return fmt.Sprintf("Evidence %s:1 (%s:1 needed) that %s %s %s",
		Odds(logE), Odds(m.Rollback.Threshold), v.Canary, e.metric.doesAny(), than)
}

// safety is the evidence for promoting.
func (e *evidence) safety(m MetricVerdict, v Versions) string {
	claim := fmt.Sprintf("less than %s times as often as %s", digits(e.config.Margin, 4), v.Stable)
	if e.negligible != nil {
		claim += fmt.Sprintf(", or for less than %s of its requests", percent(Number(e.config.Negligible)))
	}
	return fmt.Sprintf("Evidence %s:1 (%s:1 needed) that %s %s %s",
		Odds(Number(e.promotion())), Odds(m.NonInferiority.Threshold), v.Canary, e.metric.Does, claim)
}

func (m MetricVerdict) counts() string {
	how := ""
	if len(m.Whys) > 0 {
		how = " (" + m.Whys.String() + ")"
	}
	return fmt.Sprintf("%s of %s requests%s against %s of %s",
		Thousands(m.Canary.Bad), Thousands(m.Canary.Requests), how, Thousands(m.Stable.Bad), Thousands(m.Stable.Requests))
}

// words are the ratio and its bounds, as far as they are known.
func (r Ratio) words() string {
	lower, upper := r.Lower > 0, !math.IsInf(float64(r.Upper), 0)
	var bounds string
	switch {
	case lower && upper:
		bounds = fmt.Sprintf("between %s and %s", digits(float64(r.Lower), 2), digits(float64(r.Upper), 2))
	case lower:
		bounds = "at least " + digits(float64(r.Lower), 2)
	case upper:
		bounds = "at most " + digits(float64(r.Upper), 2)
	}
	switch estimate := float64(r.Estimate); {
	case bounds == "" && (math.IsNaN(estimate) || math.IsInf(estimate, 0)):
		return ""
	case math.IsNaN(estimate) || math.IsInf(estimate, 0):
		return "; ratio " + bounds
	case bounds == "":
		return fmt.Sprintf("; ratio %s, without bounds yet", digits(estimate, 2))
	default:
		return fmt.Sprintf("; ratio %s, %s", digits(estimate, 2), bounds)
	}
}

// Span is a duration as a person says it.
func Span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return strconv.Itoa(int(math.Ceil(d.Seconds()))) + " seconds"
	case d < 2*time.Hour:
		return strconv.Itoa(int(math.Ceil(d.Minutes()))) + " minutes"
	case d < 48*time.Hour:
		return strconv.Itoa(int(math.Ceil(d.Hours()))) + " hours"
	}
	return strconv.Itoa(int(math.Ceil(d.Hours()/24))) + " days"
}

// Odds are the evidence itself. Beyond a million the figure says no more.
func Odds(logE Number) string {
	const many = 1e6
	switch e := math.Exp(float64(logE)); {
	case e >= many:
		return "over 1,000,000"
	case e < 0.001:
		return "under 0.001"
	default:
		return digits(e, 2)
	}
}

// digits rounds to so many significant ones, and shows no more.
func digits(v float64, n int) string {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', n, 64), 64)
	if err != nil {
		return strconv.FormatFloat(v, 'g', n, 64)
	}
	if rounded >= 1000 && rounded < 1e15 {
		return Thousands(uint64(rounded))
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

func percent(share Number) string { return digits(100*float64(share), 3) + "%" }

// Thousands writes a count with a comma before every third digit.
func Thousands(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// subject is a version at the beginning of a sentence: "the canary", which stands
// for its name, has a capital letter there, and a name stays as it is.
func subject(version string) string {
	if rest, found := strings.CutPrefix(version, "the "); found {
		return "The " + rest
	}
	return version
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
