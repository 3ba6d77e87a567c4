package analysis

import (
	"slices"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// Outlook is the decision to expect if traffic and errors go on as they have.
type Outlook struct {
	Verdict   Outcome `json:"verdict"`
	Intervals int     `json:"intervals"` // more
	Seconds   float64 `json:"seconds"`   // more
}

// How far ahead an outlook looks: as many times what was seen, and a bound on the
// work for a long history.
const (
	aheadTimes   = 20
	aheadUpdates = 5000
)

// outlook plays what was seen again, behind what was seen, until the evidence
// suffices. It is the method itself that says when, cap, onset and dispersion
// included; a formula would be an approximation of it. It returns nil when there
// is no end in sight.
func (e *evidence) outlook() (*Outlook, error) {
	future, err := e.clone()
	if err != nil {
		return nil, err
	}
	seen := make([][]stats.Scrape, len(e.edges))
	for k, c := range e.edges {
		seen[k] = slices.Collect(c.ledger.All())
	}
	most := e.main.ledger.Len()
	for n := range min(aheadTimes*most, aheadUpdates/len(e.edges)) {
		if err := future.again(seen, n); err != nil {
			return nil, err
		}
		var verdict Outcome
		switch {
		case future.condemns():
			verdict = Fail
		case future.promotes():
			verdict = Pass
		default:
			continue
		}
		more := n + 1
		return &Outlook{verdict, more, e.main.observed.Seconds() / float64(most) * float64(more)}, nil
	}
	return nil, nil
}

// again adds the n-th of what was seen by each edge, from the front when it ends.
func (e *evidence) again(seen [][]stats.Scrape, n int) error {
	for k, all := range seen {
		if len(all) == 0 {
			continue
		}
		if err := e.update(e.edges[k], all[n%len(all)]); err != nil {
			return err
		}
	}
	return nil
}

// outlook is the first failure to expect of any metric, else the last pass.
func (v *Verdict) outlook() *Outlook {
	if v.Verdict != Inconclusive {
		return nil
	}
	var first, last *Outlook
	open := slices.ContainsFunc(v.Limits, func(l LimitVerdict) bool { return l.Verdict != Pass }) // which nothing foretells
	for _, m := range v.Metrics {
		switch o := m.Outlook; {
		case m.Verdict == Pass:
		case o == nil:
			open = true
		case o.Verdict == Fail:
			if first == nil || o.Seconds < first.Seconds {
				first = o
			}
		case last == nil || o.Seconds > last.Seconds:
			last = o
		}
	}
	if first != nil {
		return first
	}
	if open || v.Pods != nil && v.Pods.Verdict != Pass {
		return nil // nobody knows what Pods will do
	}
	return last
}
