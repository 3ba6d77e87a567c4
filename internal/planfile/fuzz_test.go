package planfile_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/planfile"
)

// Whatever stands in a file: it is refused with mistakes, or it is a plan that
// lives through the route as it is.
func FuzzParse(f *testing.F) {
	f.Add([]byte(head))
	f.Add([]byte(guarded))
	f.Add([]byte("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n"))
	f.Add([]byte(head + "spec: {steps: [{weight: 1, header: {name: \"\\u007f\"}}], budget: 1e309}"))
	f.Add([]byte("{\"apiVersion\": \"canaryctl.io/v1alpha1\", \"kind\": \"Plan\", \"spec\": {\"steps\": [{\"weight\": 5}]}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := planfile.Parse(text, "fuzz.yaml")
		if err != nil {
			if !errors.Is(err, planfile.ErrInvalid) || err.Error() == "" {
				t.Fatalf("not a mistake: %v", err)
			}
			return
		}
		stored, err := d.Stored()
		if err != nil {
			t.Fatalf("valid, and not to be stored: %v", err)
		}
		loaded, err := planfile.Load(stored)
		if err != nil {
			t.Fatalf("stored, and not to be loaded: %v\n%s", err, stored)
		}
		again, err := loaded.Stored()
		if err != nil || cmp.Diff(string(stored), string(again)) != "" || loaded.Hash() != d.Hash() {
			t.Fatalf("%v: stored as\n%s\nthen as\n%s", err, stored, again)
		}
	})
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"apiVersion":"canaryctl.io/v1alpha1","kind":"Plan","spec":{"steps":[{"weight":5}]}}`))
	f.Fuzz(func(t *testing.T, stored []byte) {
		d, err := planfile.Load(stored)
		switch {
		case err != nil && !errors.Is(err, planfile.ErrInvalid):
			t.Fatalf("not a mistake: %v", err)
		case err == nil && (d.Validate() != nil || d.Plan().Validate() != nil):
			t.Fatalf("loaded, and not valid: %s", stored)
		}
	})
}
