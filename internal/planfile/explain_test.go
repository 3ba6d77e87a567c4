package planfile_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/planfile"
)

// With every field there is nothing left to a default, and nothing that is not told.
func TestExplainEverything(t *testing.T) {
	text, err := os.ReadFile("testdata/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	if err := parse(t, string(text)).Explain(&got); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/everything.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Contains(got.String(), "(default)") {
		t.Error("it takes something that the file says for a default")
	}
	// Of a plan that no file says, all is default.
	got.Reset()
	if err := planfile.Default().Explain(&got); err != nil || strings.Count(got.String(), "(default)") != 15 {
		t.Errorf("%v:\n%s", err, &got)
	}
}
