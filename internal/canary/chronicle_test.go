package canary_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/canaryctl/canaryctl/internal/canary"
)

func ended(id string, outcome canary.Phase, why string) canary.Ended {
	return canary.Ended{ID: id, Outcome: outcome, From: "v1", To: "v2", Started: noon(), Ended: noon().Add(time.Minute), Why: why}
}

func TestHistoryWith(t *testing.T) {
	a, b := ended("a", canary.Promoted, "proved"), ended("b", canary.RolledBack, "harm")
	again, late := ended("b", canary.RolledBack, "harm, told again"), ended("a", canary.RolledBack, "ana asked for it")
	for _, test := range []struct {
		name string
		was  canary.History
		with canary.Ended
		want canary.History
	}{
		{"the first", nil, a, canary.History{a}},
		{"newest first", canary.History{a}, b, canary.History{b, a}},
		{"the same end told again", canary.History{b, a}, again, canary.History{again, a}},
		{"rolled back after its promotion", canary.History{b, a}, late, canary.History{late, b, a}},
	} {
		if diff := cmp.Diff(test.want, test.was.With(test.with)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// A damaged history is begun anew; it stops nobody.
func TestHistoryDamaged(t *testing.T) {
	for _, text := range []string{"", "{", `{"id":"a"}`, `[{"id":7}]`, `[{"started":"yesterday"}]`, "null"} {
		h := canary.ParseHistory(text).With(ended("a", canary.Promoted, ""))
		if diff := cmp.Diff(h, canary.ParseHistory(h.Encode())); diff != "" || len(h) != 1 {
			t.Errorf("after %q: %d releases (-want +got):\n%s", text, len(h), diff)
		}
	}
}

// Whatever is remembered, the newest is there, the order stays, and it has room.
func TestHistoryIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h canary.History
		n := rapid.IntRange(1, 40).Draw(t, "releases")
		for i := range n {
			e := ended(fmt.Sprint(i), rapid.SampledFrom([]canary.Phase{canary.Promoted, canary.RolledBack}).Draw(t, "outcome"),
				strings.Repeat(rapid.SampledFrom([]string{"x", "ü", "\x00", "\xff", "<"}).Draw(t, "rune"), rapid.IntRange(0, 3000).Draw(t, "length")))
			h = canary.ParseHistory(h.With(e).Encode())
		}
		text := h.Encode()
		if len(text) >= 32<<10 || len(h) > 20 || len(h) == 0 {
			t.Fatalf("%d releases in %d bytes", len(h), len(text))
		}
		for i, e := range h {
			if want := fmt.Sprint(n - 1 - i); e.ID != want {
				t.Fatalf("number %d is %s, want %s", i, e.ID, want)
			}
		}
	})
}

func FuzzParseHistory(f *testing.F) {
	f.Add(canary.History{ended("a", canary.Promoted, "proved")}.Encode())
	f.Add(`[{"id":"a","started":"2026-01-01T00:00:00+23:59"}]`)
	f.Fuzz(func(t *testing.T, text string) {
		h := canary.ParseHistory(text).With(ended("new", canary.RolledBack, text))
		back := canary.ParseHistory(h.Encode())
		if len(back) == 0 || back[0].ID != "new" {
			t.Errorf("the newest of %d releases was lost", len(h))
		}
	})
}
