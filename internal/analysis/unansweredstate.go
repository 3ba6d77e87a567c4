package analysis

import (
	"errors"
	"fmt"
	"time"
)

// endedState is what is kept of how requests end: whether any are answered, and how
// long stable takes.
type endedState struct {
	GivenUp    bool             `json:"givenUp,omitempty"`
	End        time.Time        `json:"end"`
	Counted    Counted          `json:"counted"`
	Begun      time.Time        `json:"begun"`
	DueStable  float64          `json:"dueStable,omitempty"`
	DueCanary  float64          `json:"dueCanary,omitempty"`
	Before     time.Duration    `json:"before,omitempty"`
	Lately     time.Duration    `json:"lately,omitempty"`
	Unanswered *unansweredState `json:"unanswered,omitempty"`
}

type unansweredState struct {
	Process  string      `json:"process"`
	Expected Expectation `json:"expected"`
	Seen     portion     `json:"seen"`
	Latest   portion     `json:"latest"`
	Missing  missing     `json:"missing"`
}

func (a *Analysis) saveEnded() (endedState, error) {
	s := endedState{
		GivenUp: a.ended.givenUp, End: a.ended.end, Before: a.delay.before, Lately: a.delay.lately,
		Counted: a.heard.Counted, Begun: a.heard.begun, DueStable: a.heard.dueStable, DueCanary: a.heard.dueCanary,
	}
	if u := a.unanswered; u != nil {
		text, err := u.process.MarshalText()
		if err != nil {
			return s, err
		}
		s.Unanswered = &unansweredState{string(text), u.expected, u.seen, u.latest, u.missing}
	}
	return s, nil
}

func (a *Analysis) loadEnded(s endedState) error {
	switch {
	case (s.Unanswered == nil) != (a.unanswered == nil):
		return errors.New("it tells of unanswered requests, or should")
	case !(s.DueStable >= 0 && s.DueCanary >= 0):
		return fmt.Errorf("%v and %v requests were due", s.DueStable, s.DueCanary)
	case s.Before < 0 || s.Lately < 0:
		return fmt.Errorf("answers took %s and %s", s.Before, s.Lately)
	}
	a.ended = ended{s.GivenUp, s.End}
	a.heard = heard{s.Counted, s.Begun, s.DueStable, s.DueCanary}
	a.delay = delay{s.Before, s.Lately}
	if s.Unanswered == nil {
		return nil
	}
	u, kept := a.unanswered, s.Unanswered
	if err := kept.Expected.validate(); err != nil {
		return err
	}
	if !(kept.Seen.Due >= 0 && kept.Latest.Due >= 0 && kept.Missing.Sent >= 0) {
		return fmt.Errorf("%v, %v and %v requests were due", kept.Seen.Due, kept.Latest.Due, kept.Missing.Sent)
	}
	u.expected, u.seen, u.latest, u.missing = kept.Expected, kept.Seen, kept.Latest, kept.Missing
	return u.process.UnmarshalText([]byte(kept.Process))
}
