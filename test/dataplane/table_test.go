package dataplane

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/canaryctl/canaryctl/test/dataplane/internal/mesh"
)

// TestTable holds docs/dataplane.md to what TestDataplane asserts.
func TestTable(t *testing.T) {
	const page, begin, end = "../../docs/dataplane.md", "<!-- table -->\n", "<!-- end of table -->\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no %q and %q", page, begin, end)
	}
	want := before + begin + table() + end + after
	if want == string(text) {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Fatalf("%s is behind the tests: UPDATE=1 go test -run TestTable .", page)
	}
	if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// table is a row for each kind of failure.
func table() string {
	var b strings.Builder
	b.WriteString("| over | what happens | the user gets | sender | receiver | reaches the Pod |\n|---|---|---|---|---|---|\n")
	for _, p := range protocols() {
		for _, f := range p.failures {
			gets := f.sees
			if f.orSees != "" {
				gets += ", or " + f.orSees
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %d |\n", p.name, f.ask.name, gets,
				f.cell("source"), f.cell("destination"), f.handled)
		}
	}
	return b.String()
}

// cell is what one side counts of a request.
func (f failure) cell(reporter string) string {
	var cells []string
	for l, n := range f.counts {
		if l.Reporter != reporter {
			continue
		}
		text := outcome(l)
		if n > 1 {
			text = fmt.Sprintf("%d times %s", n, text)
		}
		for _, other := range f.or[l] {
			if other != l {
				text += ", or " + outcome(other)
			}
		}
		cells = append(cells, text)
	}
	slices.Sort(cells)
	return cmp.Or(strings.Join(cells, "; "), "-")
}

// outcome is a code, flags and gRPC's status, and what the sender does not know.
func outcome(l mesh.Labels) string {
	text := "`" + strings.TrimSpace(l.Code+" "+l.Flags+" "+l.GRPC) + "`"
	switch {
	case l.Revision == "latest":
		text += " of nobody"
	case l.Version == "unknown":
		text += " no version"
	}
	return text
}
