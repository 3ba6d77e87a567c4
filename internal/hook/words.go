package hook

import (
	"slices"
	"strings"
	"unicode"
)

// mostWords is how much of what others say is repeated, in characters: it is
// stored with the route and shown on a line.
const mostWords = 300

// plain is what others say on one line, without what would act on a terminal.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > mostWords {
		return string(runes[:mostWords]) + "…"
	}
	return text
}

// scrubber takes secrets out of what others say: servers like to repeat what
// they were asked. Short ones stay, or half of every text would go.
func scrubber(secrets []string) func(string) string {
	secrets = slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return len(s) < 6 })
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range secrets {
		pairs = append(pairs, s, "[redacted]")
	}
	return strings.NewReplacer(pairs...).Replace
}

// scrubbed is an error without secrets in its text.
type scrubbed struct {
	error
	scrub func(string) string
}

func (s scrubbed) Error() string { return plain(s.scrub(s.error.Error())) }
func (s scrubbed) Unwrap() error { return s.error }
