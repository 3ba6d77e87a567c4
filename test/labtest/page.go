package labtest

import (
	"fmt"
	"os"
	"strings"
)

// Publish replaces a marked part of a page: what is between the lines
// "<!-- measured: NAME -->" and "<!-- end -->".
func Publish(page, name, markdown string) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return fmt.Errorf("publish %s: %w", name, err)
	}
	begin, end := "<!-- measured: "+name+" -->\n", "<!-- end -->"
	before, rest, found := strings.Cut(string(old), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("publish in %s: no %q followed by %q", page, strings.TrimSpace(begin), end)
	}
	return os.WriteFile(page, []byte(before+begin+"\n"+strings.TrimSpace(markdown)+"\n\n"+end+after), 0o644)
}
