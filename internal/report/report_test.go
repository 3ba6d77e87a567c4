package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/record"
	"github.com/canaryctl/canaryctl/internal/record/recordtest"
	"github.com/canaryctl/canaryctl/internal/report"
)

var update = flag.Bool("update", false, "write the reports into testdata")

func release(t testing.TB, events []event.Event) record.Release {
	t.Helper()
	var b bytes.Buffer
	for _, e := range events {
		if err := json.NewEncoder(&b).Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	r, err := record.Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	return r.Releases[0]
}

type writer func(io.Writer, record.Release) error

func render(t testing.TB, write writer, r record.Release) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// all are releases of every kind, and what hardly is one.
func all() map[string]func() []event.Event {
	return map[string]func() []event.Event{
		"promoted":    recordtest.Promoted,
		"rolled-back": recordtest.RolledBack,
		"eventful":    recordtest.Eventful,
		"one event":   func() []event.Event { return recordtest.Promoted()[:1] },
		"no evidence": func() []event.Event {
			return recordtest.New("r", 1).Tell(event.Started, "", "").Step(0, 10).Wait(time.Minute).Tell(event.Warning, "", "nothing answers").Events
		},
		"paused": paused,
		"left": func() []event.Event {
			return recordtest.New("r", 2).Step(0, 10).Read(time.Minute).Tell(event.Detached, "", "left").Events
		},
		"two metrics": twoMetrics,
		"hostile":     hostile,
		"absurd":      absurd,
	}
}

func paused() []event.Event {
	return recordtest.New("r", 2).Step(0, 10).Read(time.Minute).In(canary.Paused).Tell(event.Paused, "ana", "ana asked for it").Events
}

const nasty = `</title></style>"'><script>alert(1)</script><img src=x onerror=alert(1)>{{.}}` + "\x00\x1b[31m\u202e\n```"

// hostile has markup in every text that is from outside.
func hostile() []event.Event {
	events := recordtest.Eventful()
	for i := range events {
		e := &events[i]
		e.Release = event.Release{ID: nasty, App: nasty, Namespace: nasty, Route: nasty, From: nasty, To: nasty, Image: nasty}
		e.Message, e.By = nasty, nasty
		if e.Known != nil {
			e.Known.Why, e.Known.Source, e.Known.Metrics[0].Name, e.Known.Metrics[0].Verdict = nasty, nasty, nasty, nasty
		}
		if e.Kind == event.Warning {
			e.Kind, e.At.Phase, e.At.Basis = nasty, nasty, nasty
		}
	}
	return events
}

// twoMetrics judges latency too, which begins later.
func twoMetrics() []event.Event {
	events := recordtest.Promoted()
	for i, e := range events {
		if e.Known != nil && i > 20 {
			slow := e.Known.Metrics[0]
			slow.Name = "latency"
			e.Known.Metrics = append(e.Known.Metrics, slow)
		}
	}
	return events
}

// absurd has numbers that no release has.
func absurd() []event.Event {
	events := recordtest.Promoted()
	huge, tiny := 1e300, -1e300
	for i := range events {
		if k := events[i].Known; k != nil {
			k.Harm = huge
			k.Metrics[0] = event.Metric{Name: "errors", Ratio: &huge, Lower: &tiny, Upper: &huge, LogE: huge, Threshold: huge, LogPass: tiny, PassAt: tiny}
			k.P95 = &event.Pair{Stable: huge, Canary: tiny}
		}
	}
	return events
}

func TestGolden(t *testing.T) {
	for _, name := range []string{"promoted", "rolled-back", "eventful"} {
		for extension, write := range map[string]writer{"html": report.HTML, "svg": report.SVG} {
			if extension == "svg" && name == "eventful" { // the page has it
				continue
			}
			file := filepath.Join("testdata", name+"."+extension)
			got := render(t, write, release(t, all()[name]()))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s; go test ./internal/report -update writes it\n%s", file, diff)
			}
		}
	}
}

// Whatever a record says, the page is well formed, loads nothing, runs nothing,
// and its policy allows its own style only.
func TestPageStandsAlone(t *testing.T) {
	for name, events := range all() {
		t.Run(name, func(t *testing.T) {
			text := render(t, report.HTML, release(t, events()))
			balanced(t, text)
			if url := regexp.MustCompile(`https?://[^"'< ]*`).FindString(strings.ReplaceAll(text, `xmlns="http://www.w3.org/2000/svg"`, "")); url != "" {
				t.Errorf("the page has the address %s", url)
			}
			if bad := regexp.MustCompile(`NaN|[+-]?Inf\b|%!`).FindString(text); bad != "" {
				t.Errorf("the page says %s", bad)
			}
			root, err := html.Parse(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			var style, policy string
			for n := range root.Descendants() {
				if n.Type != html.ElementNode {
					continue
				}
				if slices.Contains([]string{"script", "img", "link", "iframe", "object", "form", "foreignObject", "use"}, n.Data) {
					t.Errorf("the page has an element <%s>", n.Data)
				}
				for _, a := range n.Attr {
					switch {
					case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "src", a.Key == "href":
						t.Errorf("<%s> has the attribute %s", n.Data, a.Key)
					case n.Data == "meta" && a.Key == "content" && strings.HasPrefix(a.Val, "default-src"):
						policy = a.Val
					}
				}
				if n.Data == "style" {
					style += n.FirstChild.Data
				}
			}
			sum := sha256.Sum256([]byte(style))
			want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
			if !strings.HasPrefix(policy, want) {
				t.Errorf("the policy is %s, want %s", policy, want)
			}
		})
	}
}

// balanced fails where an element is not closed, or closed twice.
func balanced(t *testing.T, text string) {
	t.Helper()
	var open []string
	tokens := html.NewTokenizer(strings.NewReader(text))
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			if !errors.Is(tokens.Err(), io.EOF) || len(open) > 0 {
				t.Errorf("%v with %v open", tokens.Err(), open)
			}
			return
		case html.StartTagToken:
			if name, _ := tokens.TagName(); string(name) != "meta" {
				open = append(open, string(name))
			}
		case html.EndTagToken:
			name, _ := tokens.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Fatalf("</%s> with %v open", name, open)
			}
			open = open[:len(open)-1]
		}
	}
}

func TestPictureIsXML(t *testing.T) {
	for name, events := range all() {
		t.Run(name, func(t *testing.T) {
			text := render(t, report.SVG, release(t, events()))
			decoder := xml.NewDecoder(strings.NewReader(text))
			for {
				token, err := decoder.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if start, ok := token.(xml.StartElement); ok && (start.Name.Local == "script" || start.Name.Local == "img") {
					t.Errorf("the picture has an element <%s>", start.Name.Local)
				}
			}
			if bad := regexp.MustCompile(`NaN|Inf\b|%!`).FindString(text); bad != "" {
				t.Errorf("the picture says %s", bad)
			}
		})
	}
}

// Three hours of readings make no more of a page than a few hundred.
func TestLongReleaseStaysSmall(t *testing.T) {
	text := render(t, report.HTML, release(t, recordtest.Long()))
	balanced(t, text)
	if len(text) > 200_000 {
		t.Errorf("the page has %d bytes", len(text))
	}
	for _, path := range regexp.MustCompile(`d="(M[^"]*)"`).FindAllStringSubmatch(text, -1) {
		if n := strings.Count(path[1], "L"); n > 600 {
			t.Errorf("a curve has %d points", n)
		}
	}
}

// What the picture says can be read without it.
func TestPictureHasWordsAndTables(t *testing.T) {
	text := render(t, report.HTML, release(t, recordtest.Eventful()))
	for _, want := range []string{
		`role="img" aria-labelledby="chart-title chart-desc"`, `<title id="chart-title">The release of v2 of shop over time</title>`,
		"The curves as numbers", "an engine ended without taking its leave; 2 min later another went on",
		`<td class="kind warn">changed by others</td>`, "kubectl-edit", "30 to 60%",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %s", want)
		}
	}
	if n := strings.Count(text, "no engine</title>"); n != 2*5 { // in each of five plots
		t.Errorf("%d times without an engine are hatched", n)
	}
}

func TestEveryMetricHasItsPlots(t *testing.T) {
	text := render(t, report.SVG, release(t, twoMetrics()))
	var got []string
	for _, title := range regexp.MustCompile(`<text class="title"[^>]*>([^<]*)<`).FindAllStringSubmatch(text, -1) {
		got = append(got, title[1])
	}
	want := []string{"Traffic to the canary", "Ratio of errors", "Evidence by errors", "Ratio of latency", "Evidence by latency", "Latency", "Requests hurt"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// hanging is a release whose canary answered nothing.
func hanging() []event.Event {
	events := recordtest.RolledBack()
	for i := range events {
		if k := events[i].Known; k != nil {
			k.Harm, k.Metrics[0].Canary = 48, event.Arm{}
		}
	}
	return events
}

func TestSentence(t *testing.T) {
	play := func() *recordtest.Play { return recordtest.New("r", 3).Tell(event.Started, "ci", "") }
	for name, c := range map[string]struct {
		events []event.Event
		want   string
	}{
		"rolled back by evidence": {recordtest.RolledBack(), "v3 of shop was rolled back 5 s after it first got traffic: the canary fails more often than the tolerance allows. Of its 30 requests 6 failed, about 6 more than v1 would have."},
		"never any traffic":       {play().Wait(time.Minute).End(canary.RolledBack, "", "", "the image cannot be pulled").Events, "v2 of shop was rolled back before it got any traffic: the image cannot be pulled. No request is known to have been hurt."},
		"nobody got an answer":    {hanging(), "It answered 0 requests, of which 0 failed; about 48 users got no answer, or a bad one, whom v1 would have served."},
		"proved":                  {recordtest.Promoted(), "on proof."},
		"by hand":                 {recordtest.Eventful(), "by hand, by ben@example.com."},
		"on exposure":             {play().Step(0, 50).Read(time.Second).End(canary.Promoted, canary.PassedOnExposure, "", "").Events, "v2 is the stable version of shop: it was promoted 1 s after the release began, on the planned exposure without an alarm, which is no proof."},
		"paused":                  {paused(), "The release of v2 of shop is not over: after 1 min it stands at step 1 of 2, with 10% of the traffic; ana asked for it."},
		"just begun":              {recordtest.Promoted()[:1], "it stands at its preparation, with 0% of the traffic; release of v2 beside v1."},
	} {
		t.Run(name, func(t *testing.T) {
			if got := report.Sentence(release(t, c.events)); !strings.Contains(got, c.want) {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

func TestDecisionStatesItsGuarantee(t *testing.T) {
	for name, c := range map[string]struct {
		events []event.Event
		want   string
	}{
		"evidence against": {recordtest.RolledBack(), "at most 1 in 100 is ever rolled back by such evidence"},
		"evidence for":     {recordtest.Promoted(), "at most 1 in 20 is ever promoted on such evidence"},
		"a person":         {recordtest.Eventful(), "A person decided: somebody asked for the promotion."},
		"something else":   {recordtest.New("r", 1).Step(0, 5).End(canary.RolledBack, "", "", "the budget is spent").Events, "Not the evidence decided, but this: the budget is spent."},
		"nothing yet":      {paused(), "Nothing is decided yet."},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(report.Decision(release(t, c.events)), "\n"); !strings.Contains(got, c.want) {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}
