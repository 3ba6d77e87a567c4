package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	clocktesting "k8s.io/utils/clock/testing"
)

var start = time.Date(2026, 1, 2, 15, 4, 5, 678, time.UTC)

func newLog(t *testing.T, maxFile int64) (*Store, Run, *Log, *clocktesting.FakePassiveClock) {
	t.Helper()
	clock := clocktesting.NewFakePassiveClock(start)
	store := NewStore(t.TempDir(), clock)
	if maxFile > 0 {
		store.maxFile = maxFile
	}
	run := Run{Pod: "uid", Container: "app"}
	log, err := store.Create(run)
	if err != nil {
		t.Fatal(err)
	}
	return store, run, log, clock
}

func say(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, store *Store, run Run, options Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := store.Read(context.Background(), run, options, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestFileFormat(t *testing.T) {
	store, run, log, _ := newLog(t, 0)
	out, errs := log.Stream("stdout"), log.Stream("stderr")
	say(t, out, "one\ntw")
	say(t, errs, "oops\n")
	say(t, out, "o\nno end")
	_ = out.Close()
	_ = log.Close()
	raw, err := os.ReadFile(store.path(run))
	if err != nil {
		t.Fatal(err)
	}
	const at = "2026-01-02T15:04:05.000000678Z "
	want := at + "stdout F one\n" + at + "stderr F oops\n" + at + "stdout F two\n" + at + "stdout P no end\n"
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
}

func TestReadOptions(t *testing.T) {
	store, run, log, clock := newLog(t, 0)
	out, errs := log.Stream("stdout"), log.Stream("stderr")
	say(t, out, "a\nb\n")
	clock.SetTime(start.Add(time.Minute))
	say(t, errs, "c\n")
	say(t, out, "d\n")
	_ = log.Close()
	n := func(n int64) *int64 { return &n }
	for _, tt := range []struct {
		name    string
		options Options
		want    string
	}{
		{"all", Options{}, "a\nb\nc\nd\n"},
		{"tail", Options{Tail: n(2)}, "c\nd\n"},
		{"tail of more than there is", Options{Tail: n(9)}, "a\nb\nc\nd\n"},
		{"tail of nothing", Options{Tail: n(0)}, ""},
		{"since", Options{Since: start.Add(time.Second)}, "c\nd\n"},
		{"one stream", Options{Stream: "stderr"}, "c\n"},
		{"limit", Options{Limit: n(3)}, "a\nb"},
		{"timestamps", Options{Timestamps: true, Tail: n(1)}, "2026-01-02T15:05:05.000000678Z d\n"},
		{"follow of a log that ended", Options{Follow: true, Tail: n(1)}, "d\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, read(t, store, run, tt.options)); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLongLinesComeBackWhole(t *testing.T) {
	store, run, log, _ := newLog(t, 0)
	long := strings.Repeat("x", 2*maxLine+7)
	out := log.Stream("stdout")
	say(t, out, long+"\nshort\n")
	_ = log.Close()
	if got := read(t, store, run, Options{}); got != long+"\nshort\n" {
		t.Errorf("got %d bytes back, want %d", len(got), len(long)+7)
	}
	// A long line has one timestamp, not one for each of its parts.
	if got := read(t, store, run, Options{Timestamps: true}); strings.Count(got, "2026-") != 2 {
		t.Errorf("%d timestamps for two lines", strings.Count(got, "2026-"))
	}
}

func TestRotationBoundsALogAndLosesNoLineToAFollower(t *testing.T) {
	defer goleak.VerifyNone(t)
	store, run, log, _ := newLog(t, 1000)
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := store.Read(context.Background(), run, Options{Follow: true}, pw)
		_ = pw.Close()
		done <- err
	}()
	out := log.Stream("stdout")
	var want strings.Builder
	seen := make([]byte, 8)
	for i := range 200 {
		line := fmt.Sprintf("line%03d\n", i)
		say(t, out, line)
		want.WriteString(line)
		if _, err := io.ReadFull(pr, seen); err != nil || string(seen) != line {
			t.Fatalf("followed %q (%v), want %q", seen, err, line)
		}
	}
	_ = log.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	got := read(t, store, run, Options{})
	if !strings.HasSuffix(want.String(), got) || len(got) < 8*10 {
		t.Errorf("what is kept is not the end of what was said: %q", got)
	}
	for _, path := range []string{store.path(run), rotated(store.path(run))} {
		if info, err := os.Stat(path); err != nil || info.Size() > 1000 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	defer goleak.VerifyNone(t)
	store, run, log, _ := newLog(t, 0)
	defer func() { _ = log.Close() }()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- store.Read(ctx, run, Options{Follow: true}, io.Discard) }()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("a follower that was told to stop says %v", err)
	}
}

func TestPreviousRunIsKeptAndOlderOnesAreNot(t *testing.T) {
	store := NewStore(t.TempDir(), clocktesting.NewFakePassiveClock(start))
	for restart := range int32(3) {
		log, err := store.Create(Run{"uid", "app", restart})
		if err != nil {
			t.Fatal(err)
		}
		say(t, log.Stream("stdout"), fmt.Sprintf("run %d\n", restart))
		_ = log.Close()
	}
	if got := read(t, store, Run{"uid", "app", 1}, Options{}); got != "run 1\n" {
		t.Errorf("previous run says %q", got)
	}
	err := store.Read(context.Background(), Run{"uid", "app", 0}, Options{}, io.Discard)
	if !errors.Is(err, ErrNone) {
		t.Errorf("the run before it: %v, want ErrNone", err)
	}
	if err := store.Drop("uid"); err != nil {
		t.Fatal(err)
	}
	if err := store.Read(context.Background(), Run{"uid", "app", 1}, Options{}, io.Discard); !errors.Is(err, ErrNone) {
		t.Errorf("after Drop: %v, want ErrNone", err)
	}
}
