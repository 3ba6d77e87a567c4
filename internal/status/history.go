package status

import (
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Past is a release that is over, or Running. Its JSON is documented in the help of
// canaryctl history.
type Past struct {
	ID       string       `json:"id"`
	Outcome  string       `json:"outcome"`
	From     string       `json:"from"`
	To       string       `json:"to"`
	Image    string       `json:"image,omitempty"`
	By       string       `json:"by,omitempty"`
	Started  time.Time    `json:"started"`
	Ended    *time.Time   `json:"ended,omitempty"`
	Basis    canary.Basis `json:"basis,omitempty"`
	Why      string       `json:"why,omitempty"`
	Requests uint64       `json:"requests"`
	Errors   uint64       `json:"errors"`
}

// Running is the Outcome of a release in progress.
const Running = "running"

// History is the releases that a route remembers, newest first, the one in progress
// with the counts that its driver knew. It is never nil.
func History(route traffic.Route, driver Driver) []Past {
	all := []Past{}
	if r := steer.Running(route); r != nil {
		now := past(r.End(route.Stable, route.Canary))
		now.Outcome, now.Ended = Running, nil
		if k := driver.Known; k != nil && len(k.Metrics) > 0 {
			now.Requests, now.Errors = k.Metrics[0].Canary.Requests, k.Metrics[0].Canary.Bad
		}
		all = append(all, now)
	}
	for _, e := range canary.ParseHistory(route.Notes[canary.HistoryAnnotation]) {
		all = append(all, past(e))
	}
	return all
}

func past(e canary.Ended) Past {
	return Past{
		ID: e.ID, Outcome: string(e.Outcome), From: e.From, To: e.To, Image: e.Image, By: e.By,
		Started: e.Started, Ended: &e.Ended, Basis: e.Basis, Why: e.Why, Requests: e.Requests, Errors: e.Errors,
	}
}
