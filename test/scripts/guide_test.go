package scripts

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Both languages hold the same commands under the same section numbers; only
// the words around them differ.
func TestGuidesHoldTheSameCommands(t *testing.T) {
	english, portuguese := skeleton(t, "docs/lab-guide.md"), skeleton(t, "docs/lab-guide.pt-BR.md")
	if diff := cmp.Diff(english, portuguese); diff != "" {
		t.Errorf("commands (-english +portuguese):\n%s", diff)
	}
	sections := 0
	for _, line := range english {
		if regexp.MustCompile(`^## \d+$`).MatchString(line) {
			sections++
		}
	}
	if sections != 21 {
		t.Errorf("%d sections, want 0 to 20", sections)
	}
}

// Every file that the guides and the notes on monitoring name exists.
func TestGuidesNameFilesThatExist(t *testing.T) {
	file := regexp.MustCompile(`(?:^|[^\w/])((?:k8s|scripts|docs)/[\w./-]+\w)`)
	for _, doc := range []string{"docs/lab-guide.md", "docs/lab-guide.pt-BR.md", "k8s/monitoring/README.md"} {
		text, err := os.ReadFile(filepath.Join(root, doc))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range file.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(root, match[1])); err != nil {
				t.Errorf("%s names %s: %v", doc, match[1], err)
			}
		}
	}
}

// skeleton is a guide without its words: the numbers of its sections, its
// commands and what they need.
func skeleton(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	number := regexp.MustCompile(`^##+ [\d.]*\d`)
	var lines []string
	fence := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```") && fence == "":
			fence = line
			lines = append(lines, line)
		case strings.HasPrefix(line, "```"):
			fence = ""
			lines = append(lines, line)
		case fence == "```bash" || fence == "```powershell":
			lines = append(lines, line)
		case fence == "" && strings.HasPrefix(line, "<!--"):
			lines = append(lines, line)
		case fence == "" && number.MatchString(line):
			lines = append(lines, number.FindString(line))
		}
	}
	return lines
}
