package record_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/record"
	"github.com/canaryctl/canaryctl/internal/record/recordtest"
)

func lines(t testing.TB, events []event.Event) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.Bytes()
}

func read(t testing.TB, text []byte) record.Record {
	t.Helper()
	r, err := record.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func only(t testing.TB, events []event.Event) record.Release {
	t.Helper()
	r := read(t, lines(t, events))
	if len(r.Releases) != 1 || r.Torn != 0 {
		t.Fatalf("%d releases, %d torn lines", len(r.Releases), r.Torn)
	}
	return r.Releases[0]
}

func at(seconds float64) time.Time {
	return recordtest.Began.Add(time.Duration(seconds * float64(time.Second)))
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "release.jsonl")
	want := recordtest.Eventful()
	w, err := record.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range want {
		if i == len(want)/2 { // another engine goes on
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if w, err = record.Append(path); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, read(t, text).Releases[0].Events); diff != "" {
		t.Error(diff)
	}
	if _, err = record.Create(path); !errors.Is(err, fs.ErrExist) || hint.Of(err) == "" {
		t.Errorf("a record was to be overwritten: %v", err)
	}
}

// However many engines are killed, wherever in a line, what was written whole is
// read, and no more is lost than one line each.
func TestTornLines(t *testing.T) {
	all := recordtest.RolledBack()
	dir, lengths := t.TempDir(), []int{}
	for i := range all {
		lengths = append(lengths, len(lines(t, all[i:i+1])))
	}
	rapid.Check(t, func(t *rapid.T) {
		path := filepath.Join(dir, "release.jsonl")
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		var want []event.Event
		torn := 0
		for i, e := range all {
			w, err := record.Append(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(w.Write(e), w.Close()); err != nil {
				t.Fatal(err)
			}
			line := lengths[i]
			cut := rapid.IntRange(0, line).Draw(t, "cut")
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, info.Size()-int64(cut)); err != nil {
				t.Fatal(err)
			}
			switch {
			case cut <= 1: // but for the line's end it is whole
				want = append(want, e)
			case cut < line:
				torn++
			}
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := record.Read(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		var got []event.Event
		for _, release := range r.Releases {
			got = append(got, release.Events...)
		}
		if diff := cmp.Diff(want, got); diff != "" || r.Torn != torn {
			t.Fatalf("%d torn, want %d\n%s", r.Torn, torn, diff)
		}
	})
}

func TestFilesPutTogether(t *testing.T) {
	good, bad := recordtest.Promoted(), recordtest.RolledBack()
	whole := lines(t, good)
	half := len(good) / 2
	first := append(lines(t, good[:half]), lines(t, good[half:half+1])[:40]...) // its last line is torn
	elsewhere := slices.Clone(good[half-3:])
	for i := range elsewhere { // they overlap, and the other machine has its own time zone
		elsewhere[i].Time = elsewhere[i].Time.In(time.FixedZone("CET", 3600))
	}
	want := read(t, whole).Releases[0]

	r := read(t, slices.Concat(lines(t, bad), lines(t, elsewhere), first))
	if len(r.Releases) != 2 || r.Torn != 1 {
		t.Fatalf("%d releases, %d torn lines", len(r.Releases), r.Torn)
	}
	got, ok := r.Find("shop-7f3a")
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Error(diff)
	}
	glued := read(t, append(slices.Clone(first), lines(t, elsewhere)...))
	if diff := cmp.Diff(want, glued.Releases[0]); diff != "" || glued.Torn != 1 {
		t.Errorf("%d torn\n%s", glued.Torn, diff)
	}
	joined := record.Join(read(t, first), read(t, lines(t, elsewhere)))
	if diff := cmp.Diff(glued, joined); diff != "" {
		t.Error(diff)
	}
	if _, ok := r.Find("nobody's"); ok {
		t.Error("found a release that is not there")
	}
}

func TestMistakesNameTheLine(t *testing.T) {
	whole := string(lines(t, recordtest.Promoted()[:1]))
	for name, c := range map[string]struct{ text, want string }{
		"no JSON":        {whole + "\nhello\n", "line 3: wrong record: invalid character 'h'"},
		"two on a line":  {`{"time":"2026-01-01T00:00:00Z","kind":"step","release":{"id":"a"}} {}`, "line 1: wrong record: something follows the event"},
		"no time":        {`{"kind":"step","release":{"id":"a"}}`, "the event has no time"},
		"no kind":        {`{"time":"2026-01-01T00:00:00Z","release":{"id":"a"}}`, "the event has no kind"},
		"no release":     {`{"time":"2026-01-01T00:00:00Z","kind":"step"}`, "release.id is empty"},
		"absurd weight":  {`{"time":"2026-01-01T00:00:00Z","kind":"step","release":{"id":"a"},"at":{"weight":101}}`, "at.weight: 101"},
		"wrong type":     {`{"time":7}`, "line 1: wrong record"},
		"torn, and then": {whole + `{"time":x`, "line 2: wrong record: invalid character 'x'"},
		"endless":        {strings.Repeat("x", 2<<20), "line 1: wrong record: it is longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := record.Read(strings.NewReader(c.text))
			if err == nil || !errors.Is(err, record.ErrFile) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %s", err, c.want)
			}
		})
	}
}

func TestWhatALaterCanaryctlMayAddIsNoMistake(t *testing.T) {
	r := read(t, []byte("\ufeff"+`{"time":"2026-01-01T00:00:00Z","kind":"moon","release":{"id":"a","colour":"red"},"phase":"full"}`+"\r\n\n"))
	if len(r.Releases) != 1 || r.Releases[0].ID != "a" {
		t.Errorf("%+v", r)
	}
}

func TestRelease(t *testing.T) {
	r := only(t, recordtest.Eventful())
	if r.Outcome != canary.Promoted || r.Basis != canary.ByHand || r.Why != "somebody asked for the promotion" {
		t.Errorf("%s, %s: %s", r.Outcome, r.Basis, r.Why)
	}
	if r.By != "ana@example.com" || r.EndedBy != "ben@example.com" {
		t.Errorf("began by %s, ended by %s", r.By, r.EndedBy)
	}
	if diff := cmp.Diff([]string{"ana@example.com", "ben@example.com", "kubectl-edit"}, r.People); diff != "" {
		t.Error(diff)
	}
	if r.MaxWeight != 100 || r.Paused.Std() != 90*time.Second+45*time.Second+4*time.Minute {
		t.Errorf("weight %s, paused %s", r.MaxWeight, r.Paused.Std())
	}
	want := []record.Gap{{From: at(295), To: at(415), Died: true}, {From: at(640), To: at(880)}}
	if diff := cmp.Diff(want, r.Gaps); diff != "" {
		t.Error(diff)
	}
	if r.Hurt.Requests == 0 || r.Hurt.Bad == 0 || r.Known == nil || r.Known.Metrics[0].Canary.Bad != r.Hurt.Bad {
		t.Errorf("%+v", r.Hurt)
	}
}

func TestSteps(t *testing.T) {
	r := only(t, recordtest.Promoted())
	type row struct {
		step   int
		weight canary.Percent
		took   time.Duration
	}
	var got []row
	var sum event.Arm
	for _, s := range r.Steps {
		got = append(got, row{s.Step, s.Weight, s.Took()})
		sum.Requests += s.Canary.Requests
		sum.Bad += s.Canary.Bad
	}
	want := []row{{-1, 0, 10 * time.Second}, {0, 5, 30 * time.Second}, {1, 20, 45 * time.Second}, {2, 50, time.Minute}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
		t.Error(diff)
	}
	if sum.Requests != r.Hurt.Requests || sum.Bad != r.Hurt.Bad {
		t.Errorf("the steps add up to %+v, the release to %+v", sum, r.Hurt)
	}
	if !r.Last.Equal(at(145)) {
		t.Errorf("it ended at %s: the removal of v1 is no part of it", r.Last)
	}
	ramp := only(t, recordtest.New("r", 1).Step(0, 1).Read(time.Second).Weigh(7).Read(time.Second).Events)
	if s := ramp.Steps; len(s) != 1 || s[0].First != 1 || s[0].Weight != 7 || ramp.Outcome.Over() {
		t.Errorf("%+v", s)
	}
}

func TestTheRollIsAStep(t *testing.T) {
	p := recordtest.New("r", 1).Tell(event.Started, "", "").Step(0, 50).Read(time.Minute)
	r := only(t, p.In(canary.Promoting).Weigh(100).Tell(event.Rolling, "", "").Wait(time.Minute).End(canary.Promoted, canary.Proved, "", "").Events)
	last := r.Steps[len(r.Steps)-1]
	if len(r.Steps) != 3 || last.Phase != canary.Promoting || last.Weight != 100 || last.Took() != time.Minute {
		t.Errorf("%+v", r.Steps)
	}
}

func TestCountsThatComeBackLowerAreNotCountedTwice(t *testing.T) {
	p := recordtest.New("r", 1).Step(0, 50).Read(10 * time.Second)
	before := only(t, p.Events).Steps[0].Canary
	again := *p.Events[len(p.Events)-2].Known // a source that knows a little less
	p.Wait(time.Second).Tell(event.Evidence, "", "")
	p.Events[len(p.Events)-1].Known = &again
	if diff := cmp.Diff(before, only(t, p.Events).Steps[0].Canary); diff != "" {
		t.Error(diff)
	}
}

func TestGaps(t *testing.T) {
	play := func() *recordtest.Play { return recordtest.New("r", 1).Step(0, 5).Read(10 * time.Second) }
	for name, c := range map[string]struct {
		play *recordtest.Play
		want []record.Gap
	}{
		"one engine": {play(), nil},
		"it left":    {play().Tell(event.Detached, "", ""), []record.Gap{{From: at(10)}}},
		"taken over": {play().Wait(time.Second).Tell(event.Attached, "", "").Tell(event.Detached, "", "").Read(time.Second), nil},
		"it ended":   {play().End(canary.RolledBack, "", "", "").Tell(event.Detached, "", ""), nil},
		"it died":    {play().Wait(time.Hour).Tell(event.Attached, "", ""), []record.Gap{{From: at(10), To: at(3610), Died: true}}},
		"a short leave": {play().Tell(event.Detached, "", "").Wait(time.Second).Tell(event.Attached, "", ""),
			[]record.Gap{{From: at(10), To: at(11)}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, only(t, c.play.Events).Gaps); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzRead: whatever a file says, reading ends with a record or with ErrFile, and
// what was read is read again from what is written of it.
func FuzzRead(f *testing.F) {
	f.Add(lines(f, recordtest.RolledBack()[:3]))
	f.Add([]byte(`{"time":"2026-01-01T00:00:00Z","kind":"step","release":{"id":"a"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := record.Read(bytes.NewReader(text))
		if err != nil {
			if !errors.Is(err, record.ErrFile) {
				t.Fatal(err)
			}
			return
		}
		for _, release := range r.Releases {
			again := read(t, lines(t, release.Events))
			if diff := cmp.Diff([]record.Release{release}, again.Releases); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}
