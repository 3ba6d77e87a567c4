package router

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestShippedManifestsAreHonoured holds the router to what people apply: no
// field of ours may be one that the lab ignores.
func TestShippedManifestsAreHonoured(t *testing.T) {
	routes := regexp.MustCompile(`(?m)^kind: (Service|VirtualService|DestinationRule|HTTPRoute|Ingress)$`)
	files, err := filepath.Glob("../../../k8s/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests found: %v", err)
	}
	objects := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := newMesh(t)
		for _, document := range strings.Split(string(text), "\n---\n") {
			if routes.MatchString(document) {
				m.world.add(t, document)
				objects++
			}
		}
		m.apply()
		if diff := cmp.Diff([]Problem(nil), m.Status()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
	if objects < 8 {
		t.Errorf("only %d objects looked at", objects)
	}
}
