package hook

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/canaryctl/canaryctl/internal/event"
)

func TestQueueKeepsWhatMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 8).Draw(t, "most")
		kinds := rapid.SliceOfN(rapid.SampledFrom([]event.Kind{event.Evidence, event.Waiting, event.Step, event.Gate, event.Promoted}), 0, 40).Draw(t, "kinds")
		q := newQueue(most)
		for i, kind := range kinds {
			q.put(event.Event{Kind: kind, Time: time.Unix(int64(i), 0)})
		}
		dropped, left := q.lost()
		if left > most || dropped+left != len(kinds) {
			t.Fatalf("of %d events %d are left and %d gave way", len(kinds), left, dropped)
		}
		var kept []event.Event
		for range left {
			e, _, _ := q.pop()
			kept = append(kept, e)
		}
		if !slices.IsSortedFunc(kept, func(a, b event.Event) int { return a.Time.Compare(b.Time) }) {
			t.Fatalf("out of order: %v", kept)
		}
		matter := slices.DeleteFunc(slices.Clone(kinds), expendable)
		count := 0
		for _, e := range kept {
			if !expendable(e.Kind) {
				count++
			}
		}
		if want := min(len(matter), most); count != want {
			t.Fatalf("%d events that matter are left, want %d", count, want)
		}
		if n := len(kinds); n > 0 && !expendable(kinds[n-1]) && kept[len(kept)-1].Time.Unix() != int64(n-1) {
			t.Fatal("the last event gave way")
		}
	})
}

func TestQueueAtItsEnd(t *testing.T) {
	q := newQueue(9)
	for _, kind := range []event.Kind{event.Evidence, event.Step, event.Waiting, event.Evidence, event.RolledBack, event.Evidence} {
		q.put(event.Event{Kind: kind})
	}
	q.close()
	q.close()
	q.put(event.Event{Kind: event.Retired}) // too late
	var got []event.Kind
	for {
		e, ok := q.take(t.Context())
		if !ok {
			break
		}
		got = append(got, e.Kind)
	}
	if want := []event.Kind{event.Step, event.RolledBack, event.Evidence}; !slices.Equal(got, want) {
		t.Errorf("took %v, want %v", got, want)
	}
	if dropped, left := q.lost(); dropped != 1 || left != 0 {
		t.Errorf("%d gave way, %d are left", dropped, left)
	}
}
