package prometheus

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/template"
)

// alert is one instance of an alerting rule.
type alert struct {
	labels      labels.Labels
	annotations map[string]string
	value       float64
	active      time.Time // since when the expression holds
	firing      bool
	held        time.Time // when the expression held last
}

func (a *alert) state() string {
	if a.firing {
		return "firing"
	}
	return "pending"
}

// state is the rule's: that of its most serious alert.
func (one *rule) state() string {
	state := "inactive"
	for _, a := range one.alerts {
		if a.firing {
			return "firing"
		}
		state = "pending"
	}
	return state
}

// alert updates the instances of an alerting rule, and returns the ALERTS
// series that tell of them.
func (r *ruler) alert(ctx context.Context, one *rule, vector promql.Vector, now time.Time) ([]result, error) {
	seen := map[uint64]bool{}
	for _, v := range vector {
		found, err := r.instance(ctx, one, v, now)
		if err != nil {
			return nil, err
		}
		hash := found.labels.Hash()
		seen[hash] = true
		if known := one.alerts[hash]; known != nil {
			known.value, known.annotations, known.held = found.value, found.annotations, now
			continue
		}
		one.alerts[hash] = found
	}
	var results []result
	for hash, a := range one.alerts {
		keep := a.firing && now.Sub(a.held) < time.Duration(one.KeepFiringFor)
		if !seen[hash] && !keep {
			delete(one.alerts, hash)
			continue
		}
		a.firing = a.firing || now.Sub(a.active) >= time.Duration(one.For)
		results = append(results,
			result{with(a.labels, model.MetricNameLabel, "ALERTS", "alertstate", a.state()), sample{t: now.UnixMilli(), v: 1}},
			result{with(a.labels, model.MetricNameLabel, "ALERTS_FOR_STATE"), sample{t: now.UnixMilli(), v: float64(a.active.Unix())}})
	}
	return results, nil
}

func with(ls labels.Labels, pairs ...string) labels.Labels {
	b := labels.NewBuilder(ls)
	for i := 0; i < len(pairs); i += 2 {
		b.Set(pairs[i], pairs[i+1])
	}
	return b.Labels()
}

// instance makes the alert of one sample, with its templates filled in.
func (r *ruler) instance(ctx context.Context, one *rule, v promql.Sample, now time.Time) (*alert, error) {
	expand := func(text string) (string, error) {
		const names = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"
		data := template.AlertTemplateData(v.Metric.Map(), nil, "", v)
		return template.NewTemplateExpander(ctx, names+text, "alert "+one.Alert, data, model.TimeFromUnixNano(now.UnixNano()),
			r.prometheus.query, &url.URL{}, nil).Expand()
	}
	b := labels.NewBuilder(v.Metric).Del(model.MetricNameLabel).Set(labels.AlertName, one.Alert)
	for name, text := range one.Labels {
		value, err := expand(text)
		if err != nil {
			return nil, fmt.Errorf("label %s: %w", name, err)
		}
		b.Set(name, value)
	}
	annotations := maps.Clone(one.Annotations)
	for name, text := range annotations {
		value, err := expand(text)
		if err != nil {
			return nil, fmt.Errorf("annotation %s: %w", name, err)
		}
		annotations[name] = value
	}
	return &alert{labels: b.Labels(), annotations: annotations, value: v.F, active: now, held: now}, nil
}
