package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ruleObject is a PrometheusRule; its spec is what Prometheus calls a rule file.
type ruleObject struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              json.RawMessage `json:"spec"`
}

// ruler evaluates the rules of all PrometheusRules.
type ruler struct {
	prometheus *Prometheus

	mu     sync.Mutex
	groups []*group
	loaded map[string]string // object -> resourceVersion
}

// group is rules that are evaluated together, in order.
type group struct {
	file     string // such as default/canary
	name     string
	interval time.Duration
	limit    int
	rules    []*rule
	last     time.Time
	took     time.Duration
}

// rule is one recording or alerting rule, and what came of it last.
type rule struct {
	rulefmt.Rule
	last    time.Time
	took    time.Duration
	err     error
	written map[uint64]*series // by labels: what the last evaluation stored
	alerts  map[uint64]*alert  // by the labels of the alert
}

func newRuler(p *Prometheus) *ruler {
	return &ruler{prometheus: p, loaded: map[string]string{}}
}

// load takes the rules of the objects. Groups of objects that did not change
// keep their alerts.
func (r *ruler) load(objects []*ruleObject) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := map[string][]*group{}
	for _, g := range r.groups {
		kept[g.file] = append(kept[g.file], g)
	}
	before := r.loaded
	r.groups, r.loaded = nil, map[string]string{}
	for _, o := range objects {
		file := o.Namespace + "/" + o.Name
		r.loaded[file] = o.ResourceVersion
		if version, ok := before[file]; ok && version == o.ResourceVersion {
			r.groups = append(r.groups, kept[file]...)
			delete(kept, file)
			continue
		}
		groups, err := r.parse(file, o.Spec)
		if err != nil {
			r.prometheus.config.Log.Error("prometheus: rules left out", "object", "PrometheusRule "+file, "error", err)
			continue
		}
		r.groups = append(r.groups, groups...)
	}
	now := time.Now().UnixMilli()
	for _, gone := range kept {
		for _, g := range gone {
			for _, one := range g.rules {
				one.end(now)
			}
		}
	}
}

func (r *ruler) parse(file string, spec []byte) ([]*group, error) {
	parsed, problems := rulefmt.Parse(spec, true, model.UTF8Validation, r.prometheus.parser, r.prometheus.config.Log)
	if len(problems) > 0 {
		return nil, fmt.Errorf("parse: %w", errors.Join(problems...))
	}
	var groups []*group
	for _, from := range parsed.Groups {
		g := &group{file: file, name: from.Name, interval: time.Duration(from.Interval), limit: from.Limit}
		if g.interval == 0 {
			g.interval = r.prometheus.config.Interval
		}
		for _, one := range from.Rules {
			one.Labels = withDefaults(one.Labels, from.Labels)
			g.rules = append(g.rules, &rule{Rule: one, written: map[uint64]*series{}, alerts: map[uint64]*alert{}})
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// withDefaults adds a group's labels to a rule's own.
func withDefaults(own, group map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range []map[string]string{group, own} {
		for name, v := range m {
			all[name] = v
		}
	}
	return all
}

// run evaluates groups as they become due.
func (r *ruler) run(ctx context.Context) {
	ticker := time.NewTicker(r.prometheus.config.Interval)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			r.evaluate(ctx, now)
		case <-ctx.Done():
			return
		}
	}
}

func (r *ruler) evaluate(ctx context.Context, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range r.groups {
		if now.Sub(g.last) < g.interval-r.prometheus.config.Interval/2 {
			continue // half a tick of slack, so that a late tick is not skipped
		}
		started := time.Now()
		for _, one := range g.rules {
			r.apply(ctx, g, one, now)
		}
		g.last, g.took = now, time.Since(started)
	}
}

// apply evaluates one rule and stores what it gives.
func (r *ruler) apply(ctx context.Context, g *group, one *rule, now time.Time) {
	started := time.Now()
	vector, err := r.prometheus.query(ctx, one.Expr, now)
	if err == nil && g.limit > 0 && len(vector) > g.limit {
		err = fmt.Errorf("exceeded limit of %d with %d series", g.limit, len(vector))
	}
	if err == nil {
		results := one.record(vector, now)
		if one.Alert != "" {
			results, err = r.alert(ctx, one, vector, now)
		}
		err = errors.Join(err, one.write(r.prometheus.store, results))
	}
	one.last, one.took, one.err = now, time.Since(started), err
}

// query evaluates an expression that gives a vector or a scalar.
func (p *Prometheus) query(ctx context.Context, expression string, at time.Time) (promql.Vector, error) {
	q, err := p.engine.NewInstantQuery(ctx, p.store, nil, expression, at)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	result := q.Exec(ctx)
	if result.Err != nil {
		return nil, result.Err
	}
	switch v := result.Value.(type) {
	case promql.Vector:
		return append(promql.Vector(nil), v...), nil
	case promql.Scalar:
		return promql.Vector{{T: v.T, F: v.V}}, nil
	}
	return nil, fmt.Errorf("rule result is not a vector or scalar, but a %s", result.Value.Type())
}

// result is a sample to store.
type result struct {
	labels labels.Labels
	sample sample
}

// record names the results of a recording rule.
func (one *rule) record(vector promql.Vector, now time.Time) []result {
	var results []result
	for _, v := range vector {
		b := labels.NewBuilder(v.Metric).Set(model.MetricNameLabel, one.Record)
		for name, label := range one.Labels {
			b.Set(name, label)
		}
		results = append(results, result{b.Labels(), sample{t: now.UnixMilli(), v: v.F, floats: v.H}})
	}
	return results
}

// write stores results and ends the series that are no longer among them.
func (one *rule) write(store *store, results []result) error {
	written := map[uint64]*series{}
	var failed error
	for _, res := range results {
		to, err := store.series(res.labels)
		if err != nil {
			failed = err
			continue
		}
		to.append(res.sample)
		written[res.labels.Hash()] = to
	}
	for hash, s := range one.written {
		if written[hash] == nil {
			s.end(time.Now().UnixMilli())
		}
	}
	one.written = written
	return failed
}

// end marks everything that the rule stored as stale.
func (one *rule) end(at int64) {
	for _, s := range one.written {
		s.end(at)
	}
}
