package crds_test

import (
	"bytes"
	"testing"

	"github.com/canaryctl/canaryctl/lab/internal/crds"
)

func TestAll(t *testing.T) {
	all, err := crds.All()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, d := range all {
		found[d.Name] = true
		if d.Name != d.Plural+"."+d.Group {
			t.Errorf("%s is not %s.%s", d.Name, d.Plural, d.Group)
		}
		if len(d.Versions) == 0 || d.Digest == "" {
			t.Errorf("%s: served versions %v, digest %q", d.Name, d.Versions, d.Digest)
		}
		if bytes.Contains(d.JSON, []byte(`"description":"`)) {
			t.Errorf("%s still has its prose", d.Name)
		}
	}
	for _, name := range []string{
		"virtualservices.networking.istio.io", "destinationrules.networking.istio.io",
		"httproutes.gateway.networking.k8s.io", "rollouts.argoproj.io", "servicemonitors.monitoring.coreos.com",
	} {
		if !found[name] {
			t.Errorf("%s is not there", name)
		}
	}
}
