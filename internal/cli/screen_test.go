package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestScreen(t *testing.T) {
	shown := []string{"one\ntwo", "one\ntwo", strings.Repeat("x", 81), "done"}
	tests := map[string]struct {
		live bool
		want string
	}{
		"a pipe gets what changed": {false, "one\ntwo\n" + strings.Repeat("x", 81) + "\ndone\n"},
		"a terminal is redrawn, and nothing wraps": {
			true, "one\ntwo\n" + "\x1b[2A\x1b[J" + strings.Repeat("x", 80) + "\x1b[0m\n" + "\x1b[1A\x1b[J" + "done\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			s := screen{out: &out, live: tt.live}
			for _, text := range shown {
				s.show(text)
			}
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFit(t *testing.T) {
	tests := map[string]string{
		"":                            "",
		"1234":                        "1234",
		"12345":                       "1234\x1b[0m",
		"██··":                        "██··",
		"\x1b[32m12\x1b[0m34":         "\x1b[32m12\x1b[0m34",
		"\x1b[32m12345\x1b[0m":        "\x1b[32m1234\x1b[0m",
		"1234\x1b[0m":                 "1234\x1b[0m",
		"\x1b[32m123\x1b[33m4567\x1b": "\x1b[32m123\x1b[33m4\x1b[0m",
	}
	for line, want := range tests {
		if got := fit(line, 4); got != want {
			t.Errorf("fit(%q) = %q, want %q", line, got, want)
		}
	}
}
