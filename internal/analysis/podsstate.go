package analysis

import (
	"errors"
	"fmt"
	"time"
)

// podsState is what was seen of the Pods.
type podsState struct {
	Begin   time.Time           `json:"begin"`
	At      time.Time           `json:"at"`
	Now     []Pod               `json:"now,omitempty"`
	Blind   string              `json:"blind,omitempty"`
	Pods    map[string]podState `json:"pods,omitempty"`
	Missing time.Time           `json:"missing"`
	Restart time.Time           `json:"restart"`
	Why     string              `json:"why,omitempty"`
	Beyond  string              `json:"beyond,omitempty"`
}

type podState struct {
	Version  string        `json:"version"`
	Restarts int           `json:"restarts"`
	Counted  int           `json:"counted"`
	Lived    time.Duration `json:"lived"`
	Unready  time.Time     `json:"unready"`
}

func (w *podWatch) save() *podsState {
	if w == nil {
		return nil
	}
	s := &podsState{
		Begin: w.begin, At: w.at, Now: w.now, Blind: w.blind, Pods: map[string]podState{},
		Missing: w.missing, Restart: w.restart, Why: w.why, Beyond: w.beyond,
	}
	for name, h := range w.pods {
		s.Pods[name] = podState{h.version, h.restarts, h.counted, h.lived, h.unready}
	}
	return s
}

func (s *podsState) load(gate *Gate, v Versions) (*podWatch, error) {
	switch {
	case s == nil:
		return nil, nil
	case gate == nil:
		return nil, errors.New("it has Pods, and nobody is to watch them")
	}
	w := &podWatch{
		gate: *gate, versions: v, begin: s.Begin, at: s.At, now: s.Now, blind: s.Blind, pods: map[string]*podHistory{},
		missing: s.Missing, restart: s.Restart, why: s.Why, beyond: s.Beyond,
	}
	for name, h := range s.Pods {
		w.pods[name] = &podHistory{h.Version, h.Restarts, h.Counted, h.Lived, h.Unready}
	}
	for _, p := range w.now {
		if w.pods[p.Name] == nil {
			return nil, fmt.Errorf("Pod %s is there, and has no history", p.Name)
		}
	}
	return w, nil
}
