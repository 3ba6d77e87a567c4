package analysis

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// ErrState is wrapped by Restore for a state that is damaged, of another method
// or of other versions. Nothing is wrong with the release then: begin anew, and
// say so.
var ErrState = errors.New("no state to go on from")

// maxState is how long a state gets, in bytes. All annotations of an object
// together may have 256 KiB.
const maxState = 120 << 10

// state is everything that an Analysis knows, in the form in which it is kept.
type state struct {
	Method   string        `json:"method"` // hash of the configuration that it began with
	Versions Versions      `json:"versions"`
	Start    time.Time     `json:"start"`
	End      time.Time     `json:"end"`
	Rollback stats.Peak    `json:"rollback"`
	Causes   []string      `json:"causes,omitempty"`
	Reason   string        `json:"reason,omitempty"`
	Metrics  []metricState `json:"metrics"`
	Limits   []limitState  `json:"limits,omitempty"`
	Flow     flowState     `json:"flow"`
	Ended    endedState    `json:"ended"`
	Traffic  *trafficState `json:"traffic,omitempty"`
	Pods     *podsState    `json:"pods,omitempty"`
}

type metricState struct {
	Edges    []Edge         `json:"edges,omitempty"`
	Rollback stats.Peak     `json:"rollback"`
	Promoted stats.Peak     `json:"promoted"`
	Codecs   []string       `json:"codecs"`
	Counters []counterState `json:"counters"` // in the order of the edges
	Why      string         `json:"why,omitempty"`
}

type counterState struct {
	Intervals int           `json:"intervals"`
	Observed  time.Duration `json:"observed"`
	Ledger    string        `json:"ledger"`
	Whys      Whys          `json:"whys,omitempty"`
}

type limitState struct {
	Codecs []string  `json:"codecs"`
	Seen   Arm       `json:"seen"`
	At     time.Time `json:"at"`
	Why    string    `json:"why,omitempty"`
}

// State is everything that is known, for Restore to go on from: as text for an
// annotation, at most 120 KiB. What decides has the same size after a minute and
// after a week. The ledgers, from which the bounds of the ratio are computed, and
// the exposure grow, so that their older rows are merged where it would become too
// long: a step that began in the middle of such a row has the exposure from its
// end on, and bounds are a little wider. An error says that even so it is too
// long, as for thousands of Pods.
func (a *Analysis) State() (string, error) {
	rows := 0
	for _, e := range a.metrics {
		for _, c := range e.edges {
			rows = max(rows, c.ledger.Len())
		}
	}
	for {
		s, err := a.save(rows)
		if err != nil {
			return "", fmt.Errorf("keep the state of the analysis: %w", err)
		}
		text, err := seal(s)
		switch {
		case err != nil:
			return "", fmt.Errorf("keep the state of the analysis: %w", err)
		case len(text) <= maxState:
			return text, nil
		case rows <= fewestRows:
			return "", fmt.Errorf("keep the state of the analysis: it takes %d bytes, and more than %d do not fit", len(text), maxState)
		}
		rows = max(fewestRows, int(float64(rows)*min(0.95*maxState/float64(len(text)), 0.9)))
	}
}

const fewestRows = 2

func (a *Analysis) save(rows int) (state, error) {
	s := state{
		Method: a.asked, Versions: a.versions,
		Start: a.start, End: a.end,
		Rollback: a.rollback, Causes: a.causes, Reason: a.reason,
		Flow: a.flow.save(rows),
		Pods: a.pods.save(),
	}
	for _, e := range a.metrics {
		m, err := e.save(rows)
		if err != nil {
			return s, err
		}
		s.Metrics = append(s.Metrics, m)
	}
	for _, c := range a.limits {
		codecs, err := encode(c.codecs())
		if err != nil {
			return s, err
		}
		s.Limits = append(s.Limits, limitState{codecs, c.seen, c.at, c.why})
	}
	var err error
	if s.Ended, err = a.saveEnded(); err != nil {
		return s, err
	}
	s.Traffic, err = a.traffic.save()
	return s, err
}

func (e *evidence) save(rows int) (metricState, error) {
	s := metricState{Edges: e.metric.Edges, Rollback: e.rollback, Promoted: e.promoted, Why: e.why}
	for _, c := range e.edges {
		ledger, err := c.ledger.Coarse(rows).MarshalText()
		if err != nil {
			return s, err
		}
		s.Counters = append(s.Counters, counterState{c.intervals, c.observed, string(ledger), c.whys})
	}
	var err error
	s.Codecs, err = encode(e.codecs())
	return s, err
}

// Restore goes on where State was called: the same intervals lead to the same
// verdicts. The configuration is the one that New was given; edges that were
// chosen since are in the state. An error wraps ErrState.
func Restore(c Config, v Versions, text string) (*Analysis, error) {
	a, err := New(c, v)
	if err != nil {
		return nil, err
	}
	var s state
	if err := unseal(text, &s); err != nil {
		return nil, lost(err)
	}
	switch {
	case s.Method != a.asked:
		return nil, lost(fmt.Errorf("it is of the method %s, and this one is %s", s.Method, a.asked))
	case s.Versions != v:
		return nil, lost(fmt.Errorf("it compares %s with %s", s.Versions.Canary, s.Versions.Stable))
	}
	if err := a.load(s); err != nil {
		return nil, lost(err)
	}
	return a, nil
}

func lost(err error) error { return fmt.Errorf("restore the analysis: %w: %w", ErrState, err) }

func (a *Analysis) load(s state) error {
	if len(s.Metrics) != len(a.metrics) || len(s.Limits) != len(a.limits) {
		return fmt.Errorf("it has %d metrics and %d limits", len(s.Metrics), len(s.Limits))
	}
	if err := a.loadMetrics(s.Metrics); err != nil {
		return err
	}
	for i, c := range a.limits {
		l := s.Limits[i]
		if err := decode(c.codecs(), l.Codecs); err != nil {
			return err
		}
		c.seen, c.at, c.why = l.Seen, l.At, l.Why
	}
	if err := a.flow.load(s.Flow); err != nil {
		return err
	}
	if err := a.loadEnded(s.Ended); err != nil {
		return err
	}
	var err error
	if a.traffic, err = s.Traffic.load(); err != nil {
		return err
	}
	if a.pods, err = s.Pods.load(a.config.Pods, a.versions); err != nil {
		return err
	}
	for _, name := range s.Causes {
		if !a.names(name) {
			return fmt.Errorf("it has failed because of %q, which is not looked at", name)
		}
	}
	a.start, a.end, a.causes, a.reason = s.Start, s.End, s.Causes, s.Reason
	return raise(&a.rollback, s.Rollback)
}

// loadMetrics begins with the edges, which the configuration may not have yet.
func (a *Analysis) loadMetrics(states []metricState) error {
	c := a.config
	c.Metrics = slices.Clone(c.Metrics)
	for i, s := range states {
		if !c.Metrics[i].open() || len(s.Edges) == 0 {
			continue
		}
		c.Metrics[i] = c.Metrics[i].by(s.Edges)
	}
	if err := c.Validate(); err != nil {
		return err
	}
	if err := a.Settle(c); err != nil {
		return err
	}
	for i, e := range a.metrics {
		if err := e.load(states[i]); err != nil {
			return fmt.Errorf("%s: %w", e.metric.Name, err)
		}
	}
	return nil
}

func (e *evidence) load(s metricState) error {
	if len(s.Counters) != len(e.edges) || !slices.Equal(s.Edges, e.metric.Edges) {
		return fmt.Errorf("it has %d counters of other edges", len(s.Counters))
	}
	for i, c := range e.edges {
		if err := c.ledger.UnmarshalText([]byte(s.Counters[i].Ledger)); err != nil {
			return err
		}
		c.intervals, c.observed, c.whys = s.Counters[i].Intervals, s.Counters[i].Observed, s.Counters[i].Whys
		if c.intervals < c.ledger.Len() || c.observed < 0 {
			return fmt.Errorf("%d intervals lasted %s, and their ledger has %d", c.intervals, c.observed, c.ledger.Len())
		}
	}
	if err := decode(e.codecs(), s.Codecs); err != nil {
		return err
	}
	e.why = s.Why
	return errors.Join(raise(&e.rollback, s.Rollback), raise(&e.promoted, s.Promoted))
}

// names reports whether there is such a cause.
func (a *Analysis) names(cause string) bool {
	return slices.ContainsFunc(a.metrics, func(e *evidence) bool { return e.metric.Name == cause }) ||
		slices.ContainsFunc(a.limits, func(c *ceiling) bool { return c.limit.Name() == cause })
}

func (c *ceiling) codecs() []codec { return []codec{c.violated, &c.dispersion} }

// raise takes over evidence as great as it may have been.
func raise(into *stats.Peak, from stats.Peak) error {
	if from < 0 || float64(from) > math.MaxFloat32 {
		return fmt.Errorf("peak evidence %v", float64(from))
	}
	*into = from
	return nil
}
