package prometheus

import (
	"cmp"
	"math"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

func timeParam(r *http.Request, name string, missing time.Time) (time.Time, error) {
	text := r.FormValue(name)
	if text == "" {
		if missing.IsZero() {
			return missing, bad("invalid parameter %q: cannot parse \"\" to a valid timestamp", name)
		}
		return missing, nil
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(seconds) && !math.IsInf(seconds, 0) {
		whole, part := math.Modf(seconds)
		return time.Unix(int64(whole), int64(math.Round(part*1000))*int64(time.Millisecond)).UTC(), nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return missing, bad("invalid parameter %q: cannot parse %q to a valid timestamp", name, text)
	}
	return at, nil
}

func durationParam(r *http.Request, name string, missing time.Duration) (time.Duration, error) {
	text := r.FormValue(name)
	if text == "" {
		return missing, nil
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(seconds) < math.MaxInt64/float64(time.Second) {
		return time.Duration(seconds * float64(time.Second)), nil
	}
	d, err := model.ParseDuration(text)
	if err != nil {
		return 0, bad("invalid parameter %q: cannot parse %q to a valid duration", name, text)
	}
	return time.Duration(d), nil
}

// selection is the parameters match[], start, end and limit.
type selection struct {
	sets  [][]*labels.Matcher
	from  time.Time
	to    time.Time
	limit int
}

func (p *Prometheus) selection(r *http.Request) (s selection, err error) {
	if s.sets, err = p.parser.ParseMetricSelectors(r.Form["match[]"]); err != nil {
		return s, bad(`invalid parameter "match[]": %w`, err)
	}
	if s.from, err = timeParam(r, "start", time.Unix(0, 1)); err != nil {
		return s, err
	}
	if s.to, err = timeParam(r, "end", time.Now().Add(time.Hour)); err != nil {
		return s, err
	}
	if text := r.FormValue("limit"); text != "" {
		if s.limit, err = strconv.Atoi(text); err != nil || s.limit < 0 {
			return s, bad("invalid parameter \"limit\": cannot parse %q to a non-negative number", text)
		}
	}
	return s, nil
}

// each runs f for every set of matchers, or once without any.
func (s *selection) each(f func([]*labels.Matcher)) {
	if len(s.sets) == 0 {
		f(nil)
	}
	for _, set := range s.sets {
		f(set)
	}
}

func (s *selection) querier(store *store) *querier {
	return &querier{store: store, from: s.from.UnixMilli(), to: s.to.UnixMilli()}
}

func (s *selection) cut(all []string) []string {
	slices.Sort(all)
	all = slices.Compact(all)
	if s.limit > 0 && len(all) > s.limit {
		all = all[:s.limit]
	}
	return slices.Concat([]string{}, all)
}

func (p *Prometheus) serveSeries(r *http.Request) (answer, error) {
	s, err := p.selection(r)
	switch {
	case err != nil:
		return answer{}, err
	case len(s.sets) == 0:
		return answer{}, bad("no match[] parameter provided")
	}
	found := []labels.Labels{}
	s.each(func(matchers []*labels.Matcher) {
		s.querier(p.store).each(matchers, func(one *series) { found = append(found, one.labels) })
	})
	slices.SortFunc(found, labels.Compare)
	found = slices.CompactFunc(found, labels.Equal)
	if s.limit > 0 && len(found) > s.limit {
		found = found[:s.limit]
	}
	return answer{data: found}, nil
}

func (p *Prometheus) serveLabels(r *http.Request) (answer, error) {
	s, err := p.selection(r)
	if err != nil {
		return answer{}, err
	}
	var names []string
	s.each(func(matchers []*labels.Matcher) {
		some, _, _ := s.querier(p.store).LabelNames(r.Context(), nil, matchers...)
		names = append(names, some...)
	})
	return answer{data: s.cut(names)}, nil
}

func (p *Prometheus) serveLabelValues(r *http.Request) (answer, error) {
	s, err := p.selection(r)
	if err != nil {
		return answer{}, err
	}
	name := r.PathValue("name")
	if !model.UTF8Validation.IsValidLabelName(name) {
		return answer{}, bad("invalid label name: %q", name)
	}
	var values []string
	s.each(func(matchers []*labels.Matcher) {
		some, _, _ := s.querier(p.store).LabelValues(r.Context(), name, &storage.LabelHints{}, matchers...)
		values = append(values, some...)
	})
	return answer{data: s.cut(values)}, nil
}

func (p *Prometheus) serveFormat(r *http.Request) (answer, error) {
	expression, err := p.parser.ParseExpr(r.FormValue("query"))
	if err != nil {
		return answer{}, bad(`invalid parameter "query": %w`, err)
	}
	return answer{data: parser.Prettify(expression)}, nil
}

func (p *Prometheus) serveMetadata(r *http.Request) (answer, error) {
	only, all := r.FormValue("metric"), map[string][]metadata{}
	for _, t := range p.targets.list() {
		t.mu.Lock()
		for name, m := range t.metadata {
			if (only == "" || only == name) && !slices.Contains(all[name], m) {
				all[name] = append(all[name], m)
			}
		}
		t.mu.Unlock()
	}
	return answer{data: all}, nil
}

// activeTarget is a target as /api/v1/targets shows it.
type activeTarget struct {
	DiscoveredLabels   map[string]string `json:"discoveredLabels"`
	Labels             labels.Labels     `json:"labels"`
	ScrapePool         string            `json:"scrapePool"`
	ScrapeURL          string            `json:"scrapeUrl"`
	GlobalURL          string            `json:"globalUrl"`
	LastError          string            `json:"lastError"`
	LastScrape         time.Time         `json:"lastScrape"`
	LastScrapeDuration float64           `json:"lastScrapeDuration"`
	Health             string            `json:"health"`
	ScrapeInterval     string            `json:"scrapeInterval"`
	ScrapeTimeout      string            `json:"scrapeTimeout"`
}

func (p *Prometheus) serveTargets(r *http.Request) (answer, error) {
	active, pool := []activeTarget{}, r.FormValue("scrapePool")
	if r.FormValue("state") != "dropped" {
		for _, t := range p.targets.list() {
			if pool == "" || pool == t.pool {
				active = append(active, t.show())
			}
		}
	}
	return answer{data: map[string]any{"activeTargets": active, "droppedTargets": []any{}, "droppedTargetCounts": map[string]int{}}}, nil
}

func (t *target) show() activeTarget {
	t.mu.Lock()
	defer t.mu.Unlock()
	shown := activeTarget{
		DiscoveredLabels: t.discovered, Labels: t.labels, ScrapePool: t.pool,
		ScrapeURL: cmp.Or(t.url, "in-process"), GlobalURL: cmp.Or(t.url, "in-process"),
		LastScrape: t.last, LastScrapeDuration: t.took.Seconds(), Health: "unknown",
		ScrapeInterval: model.Duration(t.interval).String(), ScrapeTimeout: model.Duration(t.timeout()).String(),
	}
	switch {
	case t.err != nil:
		shown.Health, shown.LastError = "down", t.err.Error()
	case t.scraped:
		shown.Health = "up"
	}
	return shown
}

// serveBuildInfo says which Prometheus this behaves like; Grafana asks.
func (p *Prometheus) serveBuildInfo(*http.Request) (answer, error) {
	return answer{data: map[string]string{
		"version": "3.16.0", "revision": "canary-lab", "branch": "canary-lab", "buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
	}}, nil
}

func (p *Prometheus) serveRuntimeInfo(*http.Request) (answer, error) {
	p.store.mu.RLock()
	defer p.store.mu.RUnlock()
	return answer{data: map[string]any{
		"startTime": p.started, "CWD": "", "hostname": "", "serverTime": time.Now(), "reloadConfigSuccess": true, "lastConfigTime": p.started,
		"corruptionCount": 0, "goroutineCount": runtime.NumGoroutine(), "GOMAXPROCS": runtime.GOMAXPROCS(0), "GOMEMLIMIT": math.MaxInt64,
		"GOGC": "", "GODEBUG": "", "storageRetention": model.Duration(p.config.Retention).String(),
		"timeSeriesCount": p.store.count, "chunkBytes": p.store.bytes,
	}}, nil
}
