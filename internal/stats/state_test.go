package stats

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type coded interface {
	MarshalText() ([]byte, error)
	UnmarshalText([]byte) error
}

func states() map[string]coded {
	var d Dispersion
	for range 25 {
		if err := d.Update([]PodCounts{{"a", 100, 3}, {"b", 120, 1}}); err != nil {
			panic(err)
		}
	}
	hang := must(NewShortfall(Default()))
	hang.Begin()
	states := map[string]coded{"dispersion": &d, "ledger": ledgerOf(vectorB), "shortfall": hang}
	for name, p := range processes(withNegligible(Default())) {
		states[name] = feed(p, vectorB)
	}
	return states
}

func TestStateIsSmallAndSaysWhatItIs(t *testing.T) {
	for name, s := range states() {
		text := string(must(s.MarshalText()))
		if kind, rest, found := strings.Cut(text, "/1:"); !found || kind == "" || len(rest) > 320 {
			t.Errorf("%s: %d bytes: %s", name, len(text), text)
		}
	}
}

func TestForeignStateIsRefused(t *testing.T) {
	all := states()
	for name, s := range all {
		text := must(s.MarshalText())
		kind, body, _ := strings.Cut(string(text), ":")
		flipped := bytes.Clone(text)
		flipped[len(flipped)/2] ^= 1
		for what, state := range map[string]string{
			"empty":         "",
			"no payload":    kind + ":",
			"cut short":     string(text[:len(text)-5]),
			"other version": strings.Replace(kind, "/1", "/2", 1) + ":" + body,
			"other kind":    "other/1:" + body,
			"not base64":    kind + ":!" + body,
			"flipped bit":   string(flipped),
		} {
			if err := s.UnmarshalText([]byte(state)); !errors.Is(err, ErrState) {
				t.Errorf("%s: %s: error %v, want ErrState", name, what, err)
			}
		}
		if after := must(s.MarshalText()); string(after) != string(text) {
			t.Errorf("%s: changed by what it refused", name)
		}
	}
}

func TestLedgerRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := ledgerOf(drawScrapes(t))
		var got Ledger
		if err := got.UnmarshalText(must(want.MarshalText())); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, &got, cmp.AllowUnexported(Ledger{})); diff != "" {
			t.Error(diff)
		}
	})
}

// FuzzState decodes payloads with a right checksum, which is how they get past
// the door: whatever is accepted must encode, decode to the same, and be of use.
func FuzzState(f *testing.F) {
	for name, s := range states() {
		text := must(s.MarshalText())
		kind, _, _ := strings.Cut(string(text), "/")
		in := must(unseal(kind, text))
		f.Add(name, append([]byte(nil), in.rest...))
	}
	f.Fuzz(func(t *testing.T, name string, payload []byte) {
		s, known := states()[name]
		if !known {
			return
		}
		kind, _, _ := strings.Cut(string(must(s.MarshalText())), "/")
		if err := s.UnmarshalText(seal(kind, payload)); err != nil {
			if !errors.Is(err, ErrState) {
				t.Fatalf("error %v does not wrap ErrState", err)
			}
			return
		}
		once := must(s.MarshalText())
		if err := s.UnmarshalText(once); err != nil {
			t.Fatalf("own state refused: %v", err)
		}
		if again := must(s.MarshalText()); string(once) != string(again) {
			t.Fatalf("%s\nbecame\n%s", once, again)
		}
		if p, ok := s.(process); ok {
			if logE := feed(p, vectorA).LogE(); math.IsNaN(logE) {
				t.Fatal("log E is NaN")
			}
		}
	})
}

// FuzzText decodes arbitrary text.
func FuzzText(f *testing.F) {
	for _, s := range states() {
		f.Add(string(must(s.MarshalText())))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, s := range states() {
			if err := s.UnmarshalText([]byte(text)); err != nil && !errors.Is(err, ErrState) {
				t.Errorf("%s: error %v does not wrap ErrState", name, err)
			}
		}
	})
}
