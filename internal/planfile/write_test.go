package planfile_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/planfile"
)

// A written plan is the same plan.
func TestYAML(t *testing.T) {
	suggested, notes, err := planfile.Suggest(200, 0.001, planfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []planfile.Document{planfile.Default(), parse(t, guarded), suggested} {
		text, err := d.YAML(notes)
		if err != nil {
			t.Fatal(err)
		}
		back, err := planfile.Parse(text, "written.yaml")
		if err != nil {
			t.Fatalf("%s\n%v", text, err)
		}
		if diff := cmp.Diff(d, back, alike()); diff != "" {
			t.Errorf("%s\n(-want +got):\n%s", text, diff)
		}
	}
	text, err := suggested.YAML(notes)
	if err != nil || !strings.Contains(string(text), "    # 25% for about 10 seconds; finds a canary that fails 4.6% of its requests\n    - {weight: 25, ") {
		t.Errorf("%v:\n%s", err, text)
	}
}
