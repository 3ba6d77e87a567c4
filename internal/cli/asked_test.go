package cli

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever a person says goes into an annotation that has limited room.
func TestAskedIsBounded(t *testing.T) {
	t.Setenv("USER", "ana")
	f := &Factory{}
	for why, want := range map[string]string{
		"":                      "ana asked for it",
		"wrong branch":          "ana asked for it: wrong branch",
		"two\nlines,\tone said": "ana asked for it: two lines, one said",
	} {
		if got := asked(f, why); got != want {
			t.Errorf("asked(%q) = %q, want %q", why, got, want)
		}
	}
	long := asked(f, strings.Repeat("ü", 1<<20))
	if n := utf8.RuneCountInString(long); n != longestWhy || !strings.HasSuffix(long, "ü…") {
		t.Errorf("a long reason has %d characters, want %d: ...%s", n, longestWhy, long[len(long)-8:])
	}
	f.config.As = "bot"
	if got := asked(f, ""); got != "bot asked for it" {
		t.Errorf("who impersonates is %q", got)
	}
}
