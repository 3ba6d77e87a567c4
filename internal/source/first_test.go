package source

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// mute is a stream that knows nothing, or begins to at some time.
type mute struct {
	err   error
	since time.Time
	asked *[]string
	name  string
}

func (m *mute) Next(context.Context) ([]metrics.Interval, error) {
	*m.asked = append(*m.asked, m.name)
	if !m.since.IsZero() && !time.Now().Before(m.since) {
		return nil, nil
	}
	return nil, m.err
}

func TestFirstLeavesAloneWhatIsOfNoUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		begin := time.Now()
		absent := fmt.Errorf("%w: gone", metrics.ErrAbsent)
		nothing := fmt.Errorf("%w: of cart", metrics.ErrNoData)
		s := &First{clock: clock.RealClock{}, candidates: []candidate{
			{place: "a", name: "a1", stream: &mute{err: absent, asked: &asked, name: "a1"}},
			{place: "a", name: "a2", stream: &mute{err: absent, asked: &asked, name: "a2"}},
			{place: "b", name: "b1", stream: &mute{err: nothing, asked: &asked, name: "b1"}},
			{place: "b", name: "b2", stream: &mute{err: nothing, asked: &asked, name: "b2", since: begin.Add(time.Minute)}},
		}}
		var err error
		for s.chosen == nil {
			if _, err = s.Next(t.Context()); err != nil && !errors.Is(err, metrics.ErrNoData) {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
		}
		if s.Name() != "b2" {
			t.Errorf("chose %s", s.Name())
		}
		if s.Prompt() {
			t.Error("a source that somebody else scrapes is read when it is asked")
		}
		// A server that is not there is asked once for all profiles, and the pauses
		// grow: every time until 10 s, then at 14, 22, 36 and 62 s.
		want := "a1" + strings.Repeat(" b1 b2", 8) + " a1 b1 b2 a1 b1 b2"
		if diff := cmp.Diff(want, strings.Join(asked, " ")); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
	})
}

// teller tells of one interval with requests each time, from some time on.
type teller struct {
	mute
	told bool
}

func (m *teller) Next(ctx context.Context) ([]metrics.Interval, error) {
	if _, err := m.mute.Next(ctx); err != nil {
		return nil, err
	}
	now := time.Now()
	return []metrics.Interval{{Metric: metrics.MetricErrors, Start: now.Add(-m.long()), End: now, Strata: []stats.Counts{{StableTotal: 9}}}}, nil
}

// long has the first of the mesh's intervals begin before those of the application ended.
func (m *teller) long() time.Duration {
	if m.name == "mesh" && !m.told {
		m.told = true
		return 1500 * time.Millisecond
	}
	return time.Second
}

// The application is scraped a moment before the mesh is, when the traffic has just
// begun: what the mesh counts is read all the same, and nothing else once it is known.
func TestFirstPrefersTheBetterOneForAWhile(t *testing.T) {
	for late, want := range map[time.Duration]string{time.Second: "mesh", 5 * time.Second: "app"} {
		synctest.Test(t, func(t *testing.T) {
			var asked []string
			begin := time.Now()
			nothing := fmt.Errorf("%w: of cart", metrics.ErrNoData)
			source := func(name string, since time.Time) candidate {
				return candidate{place: "a", name: name, stream: &teller{mute: mute{err: nothing, asked: &asked, name: name, since: since}}}
			}
			s := &First{clock: clock.RealClock{}, candidates: []candidate{source("mesh", begin.Add(late)), source("app", begin)}}
			var end time.Time
			for range 10 {
				intervals, err := s.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, i := range intervals {
					if i.Start.Before(end) {
						t.Errorf("%s counts what was counted", s.Name())
					}
					end = i.End
				}
				time.Sleep(time.Second)
			}
			if s.Name() != want || asked[len(asked)-1] != want || asked[len(asked)-2] != want {
				t.Errorf("mesh after %s: %s of %v, want %s", late, s.Name(), asked, want)
			}
		})
	}
}

func TestFirstWithNothingAtAll(t *testing.T) {
	var asked []string
	s := &First{clock: clock.RealClock{}, candidates: []candidate{{stream: &mute{err: metrics.ErrAbsent, asked: &asked}}}}
	for range 2 {
		if _, err := s.Next(t.Context()); !errors.Is(err, metrics.ErrUnavailable) || !strings.Contains(err.Error(), "no Prometheus in the cluster") {
			t.Errorf("%v", err)
		}
	}
}

type prompt struct{ *mute }

func (prompt) Prompt() bool { return true }

// Pods are read when they are asked, and nobody waits for a scrape of them.
func TestFirstIsPromptAsTheChosenOneIs(t *testing.T) {
	s := &First{clock: clock.RealClock{}, candidates: []candidate{{stream: prompt{&mute{asked: new([]string)}}}}}
	if s.Prompt() {
		t.Error("prompt before it is known where to read")
	}
	if _, err := s.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !s.Prompt() {
		t.Error("not prompt, and the chosen source is")
	}
}

// What the chosen source cannot see can be told, once there is one.
func TestFirstTellsWhatItCannotSee(t *testing.T) {
	s := &First{clock: clock.RealClock{}, candidates: []candidate{
		{name: "Pods", stream: &mute{asked: new([]string)}, profile: metrics.Profile{Name: "app", Unseen: []string{"broken bodies"}}},
	}}
	if got := s.Unseen(); got != "" {
		t.Errorf("before: %q", got)
	}
	if _, err := s.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := s.Unseen(), "Profile app does not count broken bodies"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
