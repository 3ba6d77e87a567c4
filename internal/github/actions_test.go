package github_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/github"
	"github.com/canaryctl/canaryctl/internal/record"
	"github.com/canaryctl/canaryctl/internal/record/recordtest"
)

func release(t *testing.T, events []event.Event) record.Release {
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

// job is a step of a job with files of its own.
func job(t *testing.T) (github.Actions, *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	env := map[string]string{
		"GITHUB_ACTIONS":      "true",
		"GITHUB_STEP_SUMMARY": filepath.Join(dir, "summary"),
		"GITHUB_OUTPUT":       filepath.Join(dir, "output"),
	}
	var commands bytes.Buffer
	a, ok := github.FromEnv(func(name string) string { return env[name] }, &commands)
	if !ok {
		t.Fatal("GitHub Actions was not recognised")
	}
	return a, &commands
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// parse reads outputs as the runner does: a value ends at a line that is the
// delimiter.
func parse(t *testing.T, text string) map[string]string {
	t.Helper()
	values := map[string]string{}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for len(lines) > 0 {
		name, delimiter, ok := strings.Cut(lines[0], "<<")
		if !ok {
			t.Fatalf("%q begins no value", lines[0])
		}
		var value []string
		for lines = lines[1:]; lines[0] != delimiter; lines = lines[1:] {
			value = append(value, lines[0])
		}
		lines = lines[1:]
		values[name] = strings.Join(value, "\n")
	}
	return values
}

func TestPublish(t *testing.T) {
	a, _ := job(t)
	dir := filepath.Join(t.TempDir(), "canaryctl")
	if err := a.Publish(release(t, recordtest.RolledBack()), dir); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"outcome": "rolled-back", "basis": "", "weight": "0", "step": "1", "steps": "3", "release": "shop-81c2",
		"requests": "30", "failed": "6",
		"report": filepath.Join(dir, "shop-81c2.html"), "picture": filepath.Join(dir, "shop-81c2.svg"),
	}
	got := parse(t, read(t, a.Output))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, begins := range map[string]string{"report": "<!DOCTYPE html>", "picture": "<svg "} {
		if !strings.HasPrefix(read(t, got[name]), begins) {
			t.Errorf("the %s does not begin with %s", name, begins)
		}
	}
	for _, want := range []string{
		"## Rolled back: v3 of shop\n", "```mermaid\n", "xychart-beta\n", "| 1 | 10% | 10:00:02 | 5 s | 4 of 270 (1.5%) | 6 of 30 (20%) |\n",
		"| 10:00:07 | rolled back | the canary fails more often than the tolerance allows |  |\n", "at most 1 in 100 is ever rolled back",
	} {
		if summary := read(t, a.Summary); !strings.Contains(summary, want) {
			t.Errorf("the summary has no %q:\n%s", want, summary)
		}
	}
}

func TestSummariesAreAdded(t *testing.T) {
	a, _ := job(t)
	for _, events := range [][]event.Event{recordtest.Promoted(), recordtest.RolledBack()} {
		if err := a.Publish(release(t, events), t.TempDir()); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(read(t, a.Summary), "\n## "); n != 2 {
		t.Errorf("%d releases in the summary", n)
	}
}

// A value that looks like an output of its own stays a value, and a summary has
// no markup but ours.
func TestNothingIsInjected(t *testing.T) {
	a, commands := job(t)
	const nasty = "x\ncanaryctl_0\noutcome<<EOF\npromoted\nEOF\n::error::%0A</td><script>alert(1)</script>\n```\n![p](https://evil.example/p.png) | www.evil.example\u202e\x1b[31m"
	events := recordtest.RolledBack()
	for i := range events {
		events[i].Release = event.Release{ID: nasty, App: nasty, From: nasty, To: nasty}
		events[i].Message, events[i].By = nasty, nasty
		if events[i].Known != nil {
			events[i].Known.Why, events[i].Known.Metrics[0].Name = nasty, nasty
		}
	}
	dir := t.TempDir()
	if err := a.Publish(release(t, events), dir); err != nil {
		t.Fatal(err)
	}
	got := parse(t, read(t, a.Output))
	if got["outcome"] != "rolled-back" || got["release"] != nasty || len(got) != 10 {
		t.Errorf("%q", got)
	}
	if filepath.Dir(got["report"]) != dir {
		t.Errorf("the page went to %s", got["report"])
	}
	summary := read(t, a.Summary)
	for _, bad := range []string{`(^|[^\\])<`, `(^|[^\\])!\[`, `https://`, `www\.evil`, "\x1b", "\u202e"} {
		if found := regexp.MustCompile(bad).FindString(summary); found != "" {
			t.Errorf("the summary has %q", found)
		}
	}
	if n := strings.Count(summary, "\n```"); n != 2 {
		t.Errorf("%d fences", n)
	}
	for _, line := range strings.Split(summary, "\n") {
		if strings.HasPrefix(line, "| 10:") && len(regexp.MustCompile(`(?:^|[^\\])\|`).FindAllString(line, -1)) != 5 {
			t.Errorf("a row with other cells: %s", line)
		}
	}
	if err := a.Annotate(events[0]); err != nil {
		t.Fatal(err)
	}
	if err := a.Annotate(events[len(events)-1]); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(commands.String(), "\n"); n != 1 || strings.Count(commands.String(), "%250A") != 3 {
		t.Errorf("%d commands: %s", n, commands)
	}
}

func TestSummaryHasALimit(t *testing.T) {
	const limit = 1 << 20
	for name, c := range map[string]struct {
		already int
		want    string
		fails   bool
	}{
		"room":            {limit / 2, "## Rolled back: v3 of shop\n", false},
		"for a sentence":  {limit - 1000, "v3 of shop was rolled back", false},
		"for nothing":     {limit - 10, "", true},
		"already too big": {limit + 10, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := job(t)
			if err := os.WriteFile(a.Summary, bytes.Repeat([]byte{'.'}, c.already), 0o600); err != nil {
				t.Fatal(err)
			}
			err := a.Publish(release(t, recordtest.RolledBack()), t.TempDir())
			if (err != nil) != c.fails {
				t.Fatal(err)
			}
			summary := read(t, a.Summary)[c.already:]
			if !strings.Contains(summary, c.want) || c.already+len(summary) > limit && !c.fails {
				t.Errorf("%d bytes: %s", len(summary), summary)
			}
			if parse(t, read(t, a.Output))["outcome"] != "rolled-back" {
				t.Error("the outputs are not set")
			}
		})
	}
}

// A record that is as long as records get makes a summary that GitHub takes.
func TestLongestSummary(t *testing.T) {
	a, _ := job(t)
	p := recordtest.New("r", 400)
	for i := range 400 {
		p.Step(i, canary.Percent(1+i/5)).Read(p.Every)
		p.Tell(event.Warning, strings.Repeat("w", 5000), "%s", strings.Repeat("<", 5000))
	}
	if err := a.Publish(release(t, p.Events), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if summary := read(t, a.Summary); len(summary) > 1<<20 || !strings.Contains(summary, "### Steps") {
		t.Errorf("%d bytes", len(summary))
	}
}

func TestAnnotations(t *testing.T) {
	a, commands := job(t)
	for _, e := range recordtest.Eventful() {
		if err := a.Annotate(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Annotate(event.Event{Kind: event.RolledBack, Release: event.Release{App: "a,b", To: "v2:x"}, Message: "100% lost\r\nall of it"}); err != nil {
		t.Fatal(err)
	}
	want := `::warning title=shop v2%3A paused::the plan pauses before step 2 of 4
::warning title=shop v2%3A foreign::the weights are 40/60; kubectl-edit changed VirtualService shop
::warning title=shop v2%3A paused::somebody else changed the traffic
::warning title=shop v2%3A paused::the engine was told to end
::warning title=shop v2%3A warning::Prometheus answered after 4 s
::notice title=shop v2%3A promoted::somebody asked for the promotion
::error title=a%2Cb v2%3Ax%3A rolled-back::100%25 lost%0D%0Aall of it
`
	if diff := cmp.Diff(want, commands.String()); diff != "" {
		t.Error(diff)
	}
}

func TestElsewhere(t *testing.T) {
	a, ok := github.FromEnv(func(string) string { return "" }, nil)
	if ok {
		t.Error("this is no job of GitHub Actions")
	}
	dir := t.TempDir()
	if err := a.Publish(release(t, recordtest.Promoted()), dir); err != nil { // without files of the runner's
		t.Fatal(err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("%v, %v", files, err)
	}
	a.Output, a.Random = filepath.Join(dir, "output"), strings.NewReader("short")
	if err := a.Publish(release(t, recordtest.Promoted()), dir); err == nil {
		t.Error("a delimiter was made of too little")
	}
}
