package planfile_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/canaryctl/canaryctl/internal/planfile"
)

// Every field that a file may have is explained.
func TestDescribeEverything(t *testing.T) {
	told, seen := map[string]bool{}, 0
	var visit func(path string)
	visit = func(path string) {
		f, err := planfile.Describe(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range f.Fields {
			if seen++; !strings.HasSuffix(in.Text, ".") {
				t.Errorf("%s is not explained: %q", in.Path, in.Text)
			}
			told[in.Text] = true
			visit(in.Path)
		}
	}
	visit("")
	texts := map[string]string{}
	file, err := os.ReadFile("fields.yaml")
	if err == nil {
		err = yaml.Unmarshal(file, &texts)
	}
	if err != nil || len(texts) < 70 || seen < len(texts) {
		t.Fatalf("%d fields, %d texts, %v", seen, len(texts), err)
	}
	for key, text := range texts {
		if !told[text] {
			t.Errorf("%s is explained, and there is no such field", key)
		}
	}
}

func TestDescribe(t *testing.T) {
	for path, want := range map[string]planfile.Field{
		"spec.policy.doubt": {
			Path: "spec.policy.doubt", Kind: "text", Default: "hold", Choices: []string{"hold", "pause", "rollback"},
			Text: "All steps are over, and the terms of the promotion are not met.",
		},
		"steps[1].min": {
			Path: "spec.steps.min", Kind: `a duration such as "90s"`, Text: "The shortest time at this step, however clear the evidence.",
		},
		"analysis.dispersion": {
			Path: "spec.analysis.dispersion", Kind: "a number of 1 or more, or auto", Default: "auto",
			Text: "What all evidence is divided by, 1 for independent requests; auto estimates it where Pods are told apart.",
		},
		"gates.owners.every": {
			Path: "spec.gates.<name>.every", Kind: `a duration such as "90s"`,
			Text: "How often it is asked again while it is closed. 0s for 5s.",
		},
		"analysis.pods.unready": {
			Path: "spec.analysis.pods.unready", Kind: `a duration such as "90s"`, Default: "30s",
			Text: "How long a Pod of the canary may not be ready. It cannot pass while one takes longer.",
		},
	} {
		got, err := planfile.Describe(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	for path, want := range map[string]string{
		"spec.polcy":       `spec has no field "polcy"; did you mean policy?`,
		"spec.steps.min.x": `spec.steps.min has no fields, and so no "x"`,
		"colour":           `a plan file has no field "colour"; it has apiVersion, kind, metadata, spec`,
	} {
		if _, err := planfile.Describe(path); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}
