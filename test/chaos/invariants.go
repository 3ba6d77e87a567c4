package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
)

// invariant is what holds whatever goes wrong. It returns what violates it.
type invariant func(e evidence) []string

func invariants() []invariant {
	return []invariant{
		weightsValid, neverToNobody, noneLost, ended, harmGivenBack,
		oneEngine, stepsGoUp, historyComplete, recordComplete, engineEnded, statusTrue, onceSuffices,
	}
}

func (e evidence) violations() []string {
	var all []string
	for _, holds := range invariants() {
		all = append(all, holds(e)...)
	}
	return all
}

// weightsValid: every rule of every version of the route sums to 100.
func weightsValid(e evidence) (wrong []string) {
	for _, err := range e.unread {
		wrong = append(wrong, err.Error())
	}
	for i, r := range e.routes {
		for _, rule := range r.Rules {
			sum := canary.Percent(0)
			for version, weight := range rule {
				if sum += weight; weight < 0 {
					wrong = append(wrong, fmt.Sprintf("route %d: %s has %s%%", i, version, weight))
				}
			}
			if sum != canary.Total {
				wrong = append(wrong, fmt.Sprintf("route %d: the weights %v sum to %s", i, rule, sum))
			}
		}
	}
	return wrong
}

// neverToNobody: no engine gives a version more traffic while it has no ready Pod.
func neverToNobody(e evidence) (wrong []string) {
	for i, r := range e.routes {
		if p := e.writer(r.Version); i == 0 || p == nil || !p.engine {
			continue
		}
		for version, weight := range r.Rules[0] {
			if before := e.routes[i-1].Weight(version); weight > before && !e.hadReady(version, r.At) {
				wrong = append(wrong, fmt.Sprintf("route %d: %s goes from %s%% to %s%% and has no ready Pod", i, version, before, weight))
			}
		}
	}
	return wrong
}

// noneLost: every request is answered by a version, unless the fault itself took
// Pods away.
func noneLost(e evidence) []string {
	if ways := lost(e.load); len(ways) > 0 && !e.removed {
		return []string{fmt.Sprintf("of %d requests some reached no version: %v", e.load.Sent, ways)}
	}
	return nil
}

// ended: the release is over, and who is stable has all traffic.
func ended(e evidence) []string {
	phase, at := e.phase(), e.last()
	if phase == "" {
		r := at.Release()
		return []string{fmt.Sprintf("it is not over: %s at step %d, and %q", r.Phase, r.Step, r.Why)}
	}
	stable := "v1"
	if at.Position != nil {
		stable = at.Position.Stable
	} else if phase == canary.Promoted && !e.script.inPlace {
		stable = "v2"
	}
	if has := at.Weight(stable); has != canary.Total {
		return []string{fmt.Sprintf("it ended %s with %s%% for %s", phase, has, stable)}
	}
	return nil
}

// harmGivenBack: once the evidence is against the canary, it is rolled back; only a
// stable Deployment that is being replaced is no way back.
func harmGivenBack(e evidence) []string {
	for _, told := range e.events {
		if told.Known != nil && told.Known.Verdict == canary.Fail && told.At.Phase != canary.Promoting && e.phase() == canary.Promoted {
			return []string{fmt.Sprintf("the verdict was fail (%s), and it ended promoted", told.Known.Why)}
		}
	}
	return nil
}

// oneEngine: once another engine wrote, the one before writes no more, unless the
// other has ended.
func oneEngine(e evidence) (wrong []string) {
	var order []*process
	for i, r := range e.routes {
		p := e.writer(r.Version)
		if p == nil || !p.engine && !e.drives(i) {
			continue // a person's command may come between, unless it drives
		}
		if n := len(order); n == 0 || order[n-1] != p {
			if at := slices.Index(order, p); at >= 0 {
				for _, other := range order[at+1:] {
					if other != p && (other.ended.IsZero() || other.ended.After(r.At)) {
						wrong = append(wrong, fmt.Sprintf("route %d: %s writes again, and %s has written since and runs", i, p, other))
					}
				}
			}
			order = append(order, p)
		}
	}
	return wrong
}

// stepsGoUp: a release never goes back to an earlier step, save when a person
// resumes it at weights that others set.
func stepsGoUp(e evidence) (wrong []string) {
	for i := 1; i < len(e.routes); i++ {
		was, is := e.routes[i-1].Release(), e.routes[i].Release()
		if was.ID == "" || was.ID != is.ID || is.Step >= was.Step || was.Phase == canary.Paused {
			continue
		}
		wrong = append(wrong, fmt.Sprintf("route %d: from step %d back to step %d", i, was.Step, is.Step))
	}
	return wrong
}

// historyComplete: the route tells of every release once, how it ended and why.
func historyComplete(e evidence) (wrong []string) {
	type end struct {
		id      string
		outcome canary.Phase
	}
	over, told := map[end]bool{}, map[end]int{}
	for _, r := range e.routes {
		if at := r.Release(); at.Phase.Over() {
			over[end{at.ID, at.Phase}] = true
		}
	}
	for _, old := range e.last().History {
		told[end{old.ID, old.Outcome}]++
		if old.Why == "" {
			wrong = append(wrong, fmt.Sprintf("the history says that %s was %s, and not why", old.ID, old.Outcome))
		}
		if !over[end{old.ID, old.Outcome}] {
			wrong = append(wrong, fmt.Sprintf("the history says that %s was %s, and the route never did", old.ID, old.Outcome))
		}
	}
	for one := range over {
		if n := told[one]; n > 1 || n == 0 && !e.forgotten {
			wrong = append(wrong, fmt.Sprintf("%s was %s, and the history says so %d times", one.id, one.outcome, n))
		}
	}
	return wrong
}

// recordComplete: the record begins, says every weight that an engine gave the
// canary, ends, and is torn only where engines were killed.
func recordComplete(e evidence) (wrong []string) {
	killed := 0
	for _, p := range e.processes {
		if p.engine && p.code < 0 {
			killed++
		}
	}
	if e.torn > killed {
		wrong = append(wrong, fmt.Sprintf("%d lines of the record are torn, and %d engines were killed", e.torn, killed))
	}
	said, begun, ends := map[canary.Percent]bool{}, false, false
	for _, told := range e.events {
		said[told.At.Weight] = true
		begun = begun || told.Kind == event.Started || told.Kind == event.Attached
		ends = ends || told.Kind == event.Promoted || told.Kind == event.RolledBack
	}
	drove, endedIt := false, false
	for i, r := range e.routes {
		if p := e.writer(r.Version); p != nil && p.engine && r.Release().Step >= 0 {
			drove, endedIt = true, endedIt || r.Release().Phase.Over() && p.code >= 0
			// Who is killed right after a write has told nobody; whoever goes on does.
			untold := p.code < 0 && r.Release().Phase.Over()
			if weight := r.Weight("v2"); !said[weight] && !untold {
				said[weight] = true
				wrong = append(wrong, fmt.Sprintf("route %d: the record says nothing of %s%% for the canary", i, weight))
			}
		}
	}
	if drove && !begun {
		wrong = append(wrong, "the record has no beginning")
	}
	if endedIt && !ends {
		wrong = append(wrong, "the record has no end")
	}
	return wrong
}

// engineEnded: once all faults are over, an engine that goes on ends because the
// release is over.
func engineEnded(e evidence) []string {
	for _, p := range slices.Backward(e.processes) {
		if !p.engine {
			continue
		}
		if !p.alive() && p.code != 0 && p.code != 3 && e.phase() == "" {
			return []string{fmt.Sprintf("%s, the last engine, ended with %d", p, p.code)}
		}
		return nil
	}
	return nil
}

// thief is who steals the lease, and is never heard of again.
const thief = "a thief"

// statusTrue: what drives, or would, ends with 0 only once the release is over, or
// where another drives it. A thief drives for all that anybody can know.
func statusTrue(e evidence) (wrong []string) {
	for _, p := range e.processes {
		if !p.engine || p.alive() || p.code != 0 {
			continue
		}
		over := false
		for _, r := range e.routes {
			at := r.At
			if end := endOf(r); !end.IsZero() {
				at = end // the watch may be late, and by much where the API server was away
			}
			if !at.After(p.ended.Add(time.Second)) {
				over = outcomeOf(r) != ""
			}
		}
		another := slices.ContainsFunc(e.processes, func(other *process) bool {
			return other != p && other.started.Before(p.ended) && (other.alive() || other.ended.After(p.ended))
		})
		if !over && !another && !strings.Contains(p.said(), thief+" drives it") {
			wrong = append(wrong, fmt.Sprintf("%s ended with 0, and the release was not over and nothing drove it", p))
		}
	}
	return wrong
}

// onceSuffices: once all faults are over, to type resume once brings the release to
// its end. One more may be: a fault leaves a pause that is found only then.
func onceSuffices(e evidence) []string {
	n := 0
	for _, p := range e.processes {
		if p.engine && !e.calm.IsZero() && p.started.After(e.calm) {
			n++
		}
	}
	if n > 2 {
		return []string{fmt.Sprintf("once all faults were over it took %d more engines", n)}
	}
	return nil
}
