package analysis

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// hold is why the canary cannot pass for its Pods' sake, or "".
func (w *podWatch) hold() string {
	switch {
	case w.blind != "":
		return "the Pods cannot be seen: " + w.blind
	case !w.missing.IsZero():
		return fmt.Sprintf("%s has no Pod", w.versions.Canary)
	}
	if text := w.unready(); text != "" {
		return text
	}
	calm := w.at.Sub(w.restart)
	if w.restart.IsZero() || calm.Seconds() >= w.gate.Calm || w.extra() <= 0 {
		return ""
	}
	return fmt.Sprintf("%s%s; it may pass %s after the last restart", w.restarts(), because(w.why), Span(seconds(w.gate.Calm)))
}

// unready names the Pods of the canary that take too long.
func (w *podWatch) unready() string {
	var late, all int
	var longest time.Duration
	var why string
	for _, p := range w.now {
		if p.Version != w.versions.Canary {
			continue
		}
		all++
		since := w.pods[p.Name].unready
		if since.IsZero() || w.at.Sub(since).Seconds() <= w.gate.Unready {
			continue
		}
		if late++; w.at.Sub(since) > longest {
			longest, why = w.at.Sub(since), p.Why
		}
	}
	if late == 0 {
		return ""
	}
	verb := "has"
	if late > 1 {
		verb = "have"
	}
	return fmt.Sprintf("%d of %s of %s %s not been ready for %s%s", late, plural(all, "Pod"), w.versions.Canary, verb, Span(longest), because(why))
}

// tooOften says what fails the canary. It is kept, and so says it of its moment.
func (w *podWatch) tooOften() string {
	most := "none is"
	if w.gate.MaxRestarts > 0 {
		most = fmt.Sprintf("up to %d are", w.gate.MaxRestarts)
	}
	return fmt.Sprintf("%s; %s let through beyond those of %s%s", w.restarts(), most, w.versions.Stable, because(w.why))
}

// restarts counts those of both versions.
func (w *podWatch) restarts() string {
	stable, canary := w.arm(w.versions.Stable), w.arm(w.versions.Canary)
	return fmt.Sprintf("%s restarted %s in %s of Pod time, %s %s in %s", w.versions.Canary, times(canary.Restarts), podTime(canary.Seconds),
		w.versions.Stable, times(stable.Restarts), podTime(stable.Seconds))
}

func podTime(s float64) string { return Span(seconds(math.Round(s))) }

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * float64(time.Second))) }

func times(n int) string {
	switch n {
	case 0:
		return "not once"
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return plural(n, "time")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return Thousands(uint64(n)) + " " + what + "s"
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + strings.TrimSuffix(why, ".")
}
