package canary

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// History is the releases of an application that are over, newest first. The
// route carries it as JSON, in HistoryAnnotation.
type History []Ended

// An object's annotations may take 256 KiB together, and every write of the
// route sends them, so a history stays far below that. A text in it, which may
// be whatever a person typed, stays a line or two.
const (
	historyMost  = 20
	historyBytes = 32<<10 - 1
	historyText  = 512 // bytes
)

// ParseHistory reads what Encode wrote. It tells of the past, and nothing is
// decided by it: a damaged one is no error, it is begun anew.
func ParseHistory(text string) History {
	var h History
	if json.Unmarshal([]byte(text), &h) != nil {
		return nil
	}
	return h
}

// With is the history with one more release. What is said again of the same end
// of the same release takes the place of what was: a command may be a second
// attempt. A release that was promoted and later rolled back ended twice.
func (h History) With(e Ended) History {
	for _, text := range []*string{&e.From, &e.To, &e.Image, &e.By, &e.Why} {
		*text = cut(*text, historyText)
	}
	after := History{e}
	for _, old := range h {
		if old.ID != e.ID || old.Outcome != e.Outcome {
			after = append(after, old)
		}
	}
	return after
}

// Encode is the history as the route carries it, without the oldest releases
// where there is no room for them.
func (h History) Encode() string {
	h = h[:min(len(h), historyMost)]
	for len(h) > 0 {
		data, err := json.Marshal(h)
		if err == nil && len(data) <= historyBytes {
			return string(data)
		}
		h = h[:len(h)-1]
	}
	return "[]"
}

// cut is a text of at most n bytes, whole characters.
func cut(text string, n int) string {
	const more = "…"
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= n {
		return text
	}
	end := n - len(more)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + more
}
