package prometheus

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// shownAlert is an alert as /api/v1/alerts and /api/v1/rules show it.
type shownAlert struct {
	Labels      labels.Labels     `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	State       string            `json:"state"`
	ActiveAt    time.Time         `json:"activeAt"`
	Value       string            `json:"value"`
}

// shownRule is either kind of rule; what the other kind has is left out.
type shownRule struct {
	State          string            `json:"state,omitempty"`
	Name           string            `json:"name"`
	Query          string            `json:"query"`
	Duration       *float64          `json:"duration,omitempty"`
	KeepFiringFor  *float64          `json:"keepFiringFor,omitempty"`
	Labels         map[string]string `json:"labels"`
	Annotations    map[string]string `json:"annotations,omitempty"`
	Alerts         *[]shownAlert     `json:"alerts,omitempty"`
	Health         string            `json:"health"`
	LastError      string            `json:"lastError,omitempty"`
	EvaluationTime float64           `json:"evaluationTime"`
	LastEvaluation time.Time         `json:"lastEvaluation"`
	Type           string            `json:"type"`
}

type shownGroup struct {
	Name           string      `json:"name"`
	File           string      `json:"file"`
	Rules          []shownRule `json:"rules"`
	Interval       float64     `json:"interval"`
	Limit          int         `json:"limit"`
	EvaluationTime float64     `json:"evaluationTime"`
	LastEvaluation time.Time   `json:"lastEvaluation"`
}

func (p *Prometheus) serveRules(r *http.Request) (answer, error) {
	only := r.FormValue("type") // alert, record, or both
	if only != "" && only != "alert" && only != "record" {
		return answer{}, bad("invalid parameter \"type\": not supported value %q", only)
	}
	p.rules.mu.Lock()
	defer p.rules.mu.Unlock()
	groups := []shownGroup{}
	for _, g := range p.rules.groups {
		shown := shownGroup{Name: g.name, File: g.file, Interval: g.interval.Seconds(), Limit: g.limit,
			EvaluationTime: g.took.Seconds(), LastEvaluation: g.last, Rules: []shownRule{}}
		for _, one := range g.rules {
			if alerting := one.Alert != ""; only == "" || alerting == (only == "alert") {
				shown.Rules = append(shown.Rules, one.show())
			}
		}
		groups = append(groups, shown)
	}
	return answer{data: map[string]any{"groups": groups}}, nil
}

func (p *Prometheus) serveAlerts(*http.Request) (answer, error) {
	p.rules.mu.Lock()
	defer p.rules.mu.Unlock()
	all := []shownAlert{}
	for _, g := range p.rules.groups {
		for _, one := range g.rules {
			all = append(all, one.showAlerts()...)
		}
	}
	return answer{data: map[string]any{"alerts": all}}, nil
}

func (one *rule) show() shownRule {
	shown := shownRule{
		Name: cmp.Or(one.Alert, one.Record), Query: one.Expr, Labels: one.Labels, Type: "recording",
		Health: "unknown", EvaluationTime: one.took.Seconds(), LastEvaluation: one.last,
	}
	switch {
	case one.err != nil:
		shown.Health, shown.LastError = "err", one.err.Error()
	case !one.last.IsZero():
		shown.Health = "ok"
	}
	if one.Alert != "" {
		alerts, wait, keep := one.showAlerts(), time.Duration(one.For).Seconds(), time.Duration(one.KeepFiringFor).Seconds()
		shown.Type, shown.State, shown.Annotations = "alerting", one.state(), one.Annotations
		shown.Alerts, shown.Duration, shown.KeepFiringFor = &alerts, &wait, &keep
	}
	return shown
}

func (one *rule) showAlerts() []shownAlert {
	all := []shownAlert{}
	for _, a := range one.alerts {
		all = append(all, shownAlert{Labels: a.labels, Annotations: a.annotations, State: a.state(), ActiveAt: a.active,
			Value: strconv.FormatFloat(a.value, 'e', -1, 64)})
	}
	slices.SortFunc(all, func(a, b shownAlert) int { return labels.Compare(a.Labels, b.Labels) })
	return all
}
