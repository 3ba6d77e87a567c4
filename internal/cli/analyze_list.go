package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/source"
)

// listPatience is how long a place may take to say what it has.
const listPatience = 10 * time.Second

// listing is what analyze --sources shows; docs/analyze.md describes its JSON.
type listing struct {
	App       string         `json:"app"`
	Namespace string         `json:"namespace"`
	Stable    string         `json:"stable"`
	Canary    string         `json:"canary,omitempty"`
	Sources   []listedSource `json:"sources"`
	Choice    *listedChoice  `json:"choice,omitempty"`
	Why       string         `json:"why"`
}

type listedSource struct {
	Name string `json:"name"`
	// Reason says why there is nothing, or not all that there might be.
	Reason   string          `json:"reason,omitempty"`
	Profiles []listedProfile `json:"profiles"`
}

type listedProfile struct {
	Name    string         `json:"name"`
	Metrics []listedMetric `json:"metrics"` // empty where the source has none
	// Unseen are the failures that it does not count.
	Unseen []string `json:"unseen,omitempty"`
}

type listedMetric struct {
	Metric   string          `json:"metric"` // errors or latency
	Name     string          `json:"name"`
	Used     bool            `json:"used"` // analyze would count this one
	Versions []listedVersion `json:"versions"`
	// Senders are those whose requests are read where they are sent; of Received the
	// receivers alone tell. Both are of metrics that two sides count.
	Senders  []string `json:"senders,omitempty"`
	Received []string `json:"received,omitempty"`
}

type listedVersion struct {
	Version string `json:"version"`
	Series  int    `json:"series"`
	// Pods is left out where the source does not tell them apart.
	Pods int `json:"pods,omitempty"`
	// AgeSeconds is that of the newest sample; left out where there is none.
	AgeSeconds *float64 `json:"ageSeconds,omitempty"`
}

type listedChoice struct {
	Source  string `json:"source"`
	Profile string `json:"profile"`
}

// list says which metrics there are of the application, and which would be read.
func (o *analyze) list(ctx context.Context) error {
	client, err := o.Client()
	if err != nil {
		return err
	}
	router, route, err := o.target.find(ctx, o.Factory, false)
	if err != nil {
		return err
	}
	measured, err := o.measured(ctx, router, route)
	if err != nil {
		return err
	}
	places, err := o.places(client, measured)
	if err != nil {
		return err
	}
	l := listing{App: route.App, Namespace: route.Namespace, Stable: route.Stable, Canary: route.Canary}
	l.Sources = surveyAll(ctx, places)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	l.choose()
	if o.output == "json" || o.output == "yaml" {
		return printData(o.Out, o.output, l)
	}
	_, err = fmt.Fprint(o.Out, l.text(o.output == "wide"))
	return err
}

// surveyAll asks all places side by side. One that is slow, absent or forbidden
// costs its row and nothing else.
func surveyAll(ctx context.Context, places []source.Place) []listedSource {
	all := make([]listedSource, len(places))
	var wait sync.WaitGroup
	for i := range places {
		wait.Go(func() { all[i] = surveyOne(ctx, &places[i]) })
	}
	wait.Wait()
	return all
}

func surveyOne(ctx context.Context, at *source.Place) listedSource {
	ctx, cancel := context.WithTimeout(ctx, listPatience)
	defer cancel()
	s := listedSource{Name: at.Name, Profiles: []listedProfile{}}
	found, err := at.Survey(ctx)
	if err != nil {
		s.Reason = reasonOf(err)
		switch {
		case errors.Is(err, metrics.ErrAbsent):
			s.Reason = strings.TrimPrefix(s.Reason, metrics.ErrAbsent.Error()+": ")
		case errors.Is(err, context.DeadlineExceeded):
			s.Reason = fmt.Sprintf("no answer within %s", listPatience)
		}
	}
	some := false
	for i, list := range found {
		p := listedProfile{Name: at.Profiles[i].Name, Metrics: []listedMetric{}, Unseen: at.Profiles[i].Unseen}
		for _, f := range list {
			p.Metrics = append(p.Metrics, listed(f))
			some = true
		}
		s.Profiles = append(s.Profiles, p)
	}
	if !some && err == nil {
		s.Reason = "it has no series of the application under any profile"
	}
	return s
}

func listed(f metrics.Found) listedMetric {
	m := listedMetric{Metric: f.Metric, Name: f.Name, Used: f.Used, Senders: f.Senders, Received: f.Received}
	for _, v := range f.Versions {
		one := listedVersion{Version: v.Version, Series: v.Series, Pods: v.Pods}
		if v.Series > 0 {
			age := v.Age.Round(time.Millisecond).Seconds()
			one.AgeSeconds = &age
		}
		m.Versions = append(m.Versions, one)
	}
	return m
}

// choose does what source.First does: the first that has any series is read.
func (l *listing) choose() {
	for i := range l.Sources {
		for j := range l.Sources[i].Profiles {
			p := &l.Sources[i].Profiles[j]
			if len(p.Metrics) == 0 {
				continue
			}
			if l.Choice == nil {
				l.Choice = &listedChoice{Source: l.Sources[i].Name, Profile: p.Name}
				l.Why = l.why(p)
				continue
			}
			for k := range p.Metrics {
				p.Metrics[k].Used = false
			}
		}
	}
	if l.Choice == nil {
		l.Why = fmt.Sprintf("analyze has nothing to read: no source has a series of %s. A version has series once it has answered requests and was scraped", l.App)
	}
}

// enumerate is a list as a sentence has it.
func enumerate(names []string) string {
	last := len(names) - 1
	if last < 2 {
		return strings.Join(names, " and ")
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// why says what is read and what of it is missing.
func (l *listing) why(p *listedProfile) string {
	var used, silent []string
	has := map[string]bool{}
	for _, m := range p.Metrics {
		if !m.Used {
			continue
		}
		used = append(used, m.Name)
		for _, v := range m.Versions {
			if v.Series == 0 {
				silent = append(silent, fmt.Sprintf("%s has no %s yet", v.Version, m.Name))
			}
		}
		has[m.Metric] = true
	}
	for _, metric := range []string{metrics.MetricErrors, metrics.MetricLatency} {
		if !has[metric] {
			silent = append(silent, "there is no metric of "+metric)
		}
	}
	text := fmt.Sprintf("analyze reads %s: of the sources and profiles in this order, %s with profile %s is the first that has a series of %s",
		enumerate(used), l.Choice.Source, l.Choice.Profile, l.App)
	if len(silent) > 0 {
		text += "; " + strings.Join(silent, ", ")
	}
	if what := source.Unseen(p.Name, p.Unseen); what != "" {
		text += ". " + what
	}
	return text + p.sides()
}

// sides says whose requests are read on which side, and why.
func (p *listedProfile) sides() string {
	for _, m := range p.Metrics {
		if !m.Used || m.Metric != metrics.MetricErrors || len(m.Senders)+len(m.Received) == 0 {
			continue
		}
		var parts []string
		if len(m.Senders) > 0 {
			parts = append(parts, fmt.Sprintf("what %s send is read where it is sent, which is what users got", strings.Join(m.Senders, ", ")))
		}
		if len(m.Received) > 0 {
			parts = append(parts, fmt.Sprintf("what %s send is read where it arrives, since nobody else counts it: a failure after three tries is three there, and what reached no Pod is not counted",
				strings.Join(m.Received, ", ")))
		}
		return ". " + upperFirst(strings.Join(parts, "; "))
	}
	return ""
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
