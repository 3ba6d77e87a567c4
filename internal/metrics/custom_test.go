package metrics

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checkout counts one metric of three series, at the start and later.
func checkout(t *testing.T, p Profile, metric string, later ...Point) []seen {
	t.Helper()
	r := Release{Namespace: "shop", App: "cart", Stable: "v1", Canary: "v2"}
	m, err := NewMeter(p, DifferConfig{Metric: metric, Release: r}, clock(0))
	if err != nil {
		t.Fatal(err)
	}
	first := make([]Point, len(later))
	for i, p := range later {
		first[i], later[i].At = p, clock(5)
		first[i].At, first[i].Value = clock(0), 0
		if p.Histogram != nil {
			empty := Histogram{Native: p.Histogram.Native}
			for _, b := range p.Histogram.Classic {
				empty.Classic = append(empty.Classic, Cumulative{LE: b.LE})
			}
			for i := range empty.Native {
				empty.Native[i].Count = 0
			}
			first[i].Histogram = &empty
		}
	}
	m.Read(first)
	return summary(m.Read(later))
}

func counted(name, region string, value float64) Point {
	return Point{Name: name, Labels: map[string]string{"region": region, "pod": "p"}, Version: "v2", Value: value}
}

func TestCustomCounters(t *testing.T) {
	for name, test := range map[string]struct {
		custom Custom
		want   []seen
	}{
		"total and bad":       {Custom{Total: "checkout_total", Bad: "checkout_failed_total"}, []seen{{0, 5, strata("", 100, 7)}}},
		"good and bad":        {Custom{Good: "checkout_total", Bad: "checkout_failed_total"}, []seen{{0, 5, strata("", 107, 7)}}},
		"one region":          {Custom{Total: `checkout_total{region="eu"}`, Bad: `checkout_failed_total{region=~"e."}`}, []seen{{0, 5, strata("", 60, 3)}}},
		"all but one":         {Custom{Total: `checkout_total{region!="eu"}`, Bad: `checkout_failed_total{region!~"e.|x"}`}, []seen{{0, 5, strata("", 40, 4)}}},
		"labels tell":         {Custom{Total: `checkout_total`, Bad: `checkout_total{region="us"}`}, []seen{{0, 5, strata("", 100, 40)}}},
		"good and bad labels": {Custom{Good: `checkout_total{region="eu"}`, Bad: `{__name__='checkout_total', region="us",}`}, []seen{{0, 5, strata("", 100, 40)}}},
		"nothing counts all":  {Custom{Total: `checkout_sum`, Bad: `checkout_failed_total`}, nil},
	} {
		p, err := test.custom.Profile()
		if err != nil {
			t.Fatal(err)
		}
		got := checkout(t, p, MetricErrors, counted("checkout_total", "eu", 60), counted("checkout_total", "us", 40),
			counted("checkout_failed_total", "eu", 3), counted("checkout_failed_total", "us", 4))
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestCustomLatency(t *testing.T) {
	p, err := Custom{Total: "t", Bad: "b", Latency: `checkout_milliseconds{region="eu"}`}.Profile()
	if err != nil {
		t.Fatal(err)
	}
	at := func(region string, fast, all float64) Point {
		one := counted("checkout_milliseconds", region, 0)
		one.Histogram = &Histogram{Classic: []Cumulative{{LE: 250, Count: fast}, {LE: math.Inf(1), Count: all}}}
		return one
	}
	if diff := cmp.Diff([]seen{{0, 5, strata("", 10, 2)}}, checkout(t, p, MetricLatency, at("eu", 8, 10), at("us", 0, 50))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A library that keeps native histograms alone has no series of their count.
func TestErrorsOfNativeHistograms(t *testing.T) {
	p, err := FindProfile("app")
	if err != nil {
		t.Fatal(err)
	}
	at := func(status string, n float64) Point {
		return Point{Name: "http_server_request_duration_seconds", Version: "v2", Histogram: &Histogram{Count: n},
			Labels: map[string]string{"pod": "p", "http_route": "/buy", "http_response_status_code": status}}
	}
	if diff := cmp.Diff([]seen{{0, 5, strata("/buy", 103, 3)}}, checkout(t, p, MetricErrors, at("200", 100), at("503", 3))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCustomSaysWhoseASeriesIs(t *testing.T) {
	p, err := Custom{Total: `t{ns="{namespace}",release="{app}.{version}",a="b"}`, Bad: `b{ns="{namespace}",release="{app}.{version}"}`}.Profile()
	if err != nil {
		t.Fatal(err)
	}
	r := Release{Namespace: "shop", App: "cart", Stable: "v1", Canary: "v2"}
	if got := version(t, p.Identity, r, map[string]string{"ns": "shop", "release": "cart.v2"}); got != "v2" {
		t.Errorf("it is of %q, want v2", got)
	}
	if got := version(t, p.Identity, r, map[string]string{"ns": "shop", "release": "cart-v2"}); got != "" {
		t.Errorf("a dot is taken for any letter: it is of %q", got)
	}
	if p.Identity.OfPods() {
		t.Error("Pods are to be asked for it")
	}
	byName, err := Custom{Total: "t", Bad: "b"}.Profile()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(byPod(), byName.Identity); diff != "" || !byName.Identity.OfPods() {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
}

func TestCustomThatCannotBe(t *testing.T) {
	for want, c := range map[string]Custom{
		"bad must say what failed":                  {Total: "t"},
		"either total or good":                      {Total: "t", Good: "g", Bad: "b"},
		"beside bad, say either":                    {Bad: "b"},
		"rate(t[5m]): it is no selector":            {Total: "rate(t[5m])", Bad: "b"},
		"t[5m]: it is no selector":                  {Total: "t[5m]", Bad: "b"},
		"t{}[5m]: it is no selector":                {Total: "t{}[5m]", Bad: "b"},
		"{}: it is no selector":                     {Total: "{}", Bad: "b"},
		`t{a}: its braces want label="value"`:       {Total: "t{a}", Bad: "b"},
		"t{a=b}: label a: its value is not in":      {Total: "t{a=b}", Bad: "b"},
		"t{a='b}: label a: its value is not in":     {Total: "t{a='b}", Bad: "b"},
		"a comma or a closing brace":                {Total: `t{a="b" c="d"}`, Bad: "b"},
		`t{a="b": a comma or a closing brace`:       {Total: `t{a="b"`, Bad: "b"},
		"label a: it is there twice":                {Total: `t{a="b",a="c"}`, Bad: "b"},
		"label a: error parsing regexp":             {Total: `t{a=~"("}`, Bad: "b"},
		"and not what it is not":                    {Total: `t{a!="{version}"}`, Bad: "b"},
		"one name, with =":                          {Total: `t{__name__="u"}`, Bad: "b"},
		"put {version}, {deployment} or {pod}":      {Total: `t{ns="{namespace}"}`, Bad: `b{ns="{namespace}"}`},
		"b: it says in other labels than the one":   {Total: `t{v="{version}"}`, Bad: "b"},
		"h_bucket: name the histogram":              {Total: "t", Bad: "b", Latency: "h_bucket"},
		"h: the name does not end in _seconds":      {Total: "t", Bad: "b", Latency: "h"},
		"h_seconds: it says in other labels than":   {Total: `t{v="{version}"}`, Bad: `b{v="{version}"}`, Latency: "h_seconds"},
		"h_seconds{: its braces want label=\"value": {Total: `t`, Bad: `b`, Latency: "h_seconds{"},
	} {
		if _, err := c.Profile(); !errors.Is(err, ErrProfile) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
}

func FuzzParseSelector(f *testing.F) {
	for _, seed := range []string{"x", `x{a="b"}`, `x{a=~"b|{version}",c!='d'}`, "x{a=`b`,}", `{__name__="x"}`, `x{a!~"("}`, "rate(x[5m])"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSelector(text)
		if err != nil {
			return
		}
		if !metricName(s.Name) {
			t.Errorf("%q has the name %q", text, s.Name)
		}
		c := Counters{Total: &s, Bad: &s}
		if _, _, err := c.compile(); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}
