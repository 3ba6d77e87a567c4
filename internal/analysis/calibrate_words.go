package analysis

import (
	"fmt"
	"time"
)

// sentence is what a calibration comes to.
func (r *Calibrated) sentence() string {
	alpha := percent(Number(r.Method.RollbackAlpha))
	tried := r.tried()
	if tried == nil {
		return "Too little history: no release could be played. " + r.toleranceWords() + "."
	}
	text := fmt.Sprintf("%s of %s releases that were played with %s as the canary were rolled back",
		Thousands(uint64(tried.FalseAlarms)), Thousands(uint64(tried.Releases)), podsWord(tried.CanaryPods))
	if tried.FalseAlarms > 0 {
		text += ", all of them falsely"
	}
	text += fmt.Sprintf("; the rate is between %s and %s", limitWord(tried.Lower), limitWord(tried.Upper))
	switch r.Conclusion {
	case BelowAlpha:
		text += fmt.Sprintf(", below the %s that alpha allows", alpha)
	case AboveAlpha:
		text += fmt.Sprintf(", above the %s that alpha allows", alpha)
	default:
		text += fmt.Sprintf(". That is too little history to hold against the %s that alpha allows: %s of %s, and it takes %s without an alarm",
			alpha, plural(r.Windows, "window"), Span(time.Duration(r.WindowSeconds*float64(time.Second))), Thousands(uint64(r.WindowsNeeded)))
	}
	return text + ". " + r.toleranceWords() + "."
}

// limitWord is a limit, without the digits of one that is next to none.
func limitWord(n Number) string {
	const none = 5e-5
	if n < none {
		return "0%"
	}
	return percent(n)
}

// tried are the releases that the conclusion is about.
func (r *Calibrated) tried() *Trials {
	for i := len(r.Trials) - 1; i >= 0; i-- {
		if t := &r.Trials[i]; t.Tolerance == r.Tolerance.Configured && t.CanaryPods == r.Tolerance.CanaryPods && t.Releases > 0 {
			return t
		}
	}
	return nil
}

func (r *Calibrated) toleranceWords() string {
	s := r.Tolerance
	configured := percent(Number(s.Configured))
	known := false
	for _, m := range r.Metrics {
		known = known || m.Spread != nil
	}
	switch {
	case !known:
		return "Which tolerance the spread between Pods asks for is not known"
	case s.Suggested <= s.Configured:
		return fmt.Sprintf("The tolerance of %s covers what is seen of the spread between Pods", configured)
	}
	text := fmt.Sprintf("Pods differ for good: use a tolerance of %s instead of %s for %s against %d",
		percent(Number(s.Suggested)), configured, podsWord(s.CanaryPods), s.StablePods)
	before, with := r.tried(), r.Trials[len(r.Trials)-1]
	if before != nil && with.Tolerance == s.Suggested {
		text += fmt.Sprintf(", which takes false alarms from %d to %d here", before.FalseAlarms, with.FalseAlarms)
	}
	return text
}

func podsWord(n int) string {
	if n == 1 {
		return "one Pod"
	}
	return fmt.Sprintf("%d Pods", n)
}
