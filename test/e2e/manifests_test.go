package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestManifestsAreAccepted sends every file under k8s/ to the API server, which
// validates it against the real API definitions and stores nothing.
func TestManifestsAreAccepted(t *testing.T) {
	t.Parallel()
	files := 0
	err := fs.WalkDir(os.DirFS(lab.Root), "k8s", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" || !isManifest(t, path) {
			return err
		}
		files++
		t.Run(path, func(t *testing.T) {
			r := sh(t, "kubectl apply --dry-run=server --validate=strict -f "+path)
			if strings.Contains(r.Stderr, "Warning") {
				t.Errorf("accepted, but with a warning\n%s", r)
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 12 {
		t.Errorf("only %d manifests found", files)
	}
}

// isManifest tells API objects from the values files that lie beside them.
func isManifest(t *testing.T, path string) bool {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(lab.Root, path))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(raw), "\nkind: ") || strings.HasPrefix(string(raw), "kind: ")
}

// TestRestrictedPodSecurity runs both versions in a namespace that enforces the
// restricted Pod Security Standard, sidecar included.
func TestRestrictedPodSecurity(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	sh(t, "kubectl label namespace "+ns+" pod-security.kubernetes.io/enforce=restricted pod-security.kubernetes.io/warn=restricted")
	base(t, ns)
	r := sh(t, "kubectl apply -n "+ns+" -f k8s/canary/deployment-v2.yaml")
	if strings.Contains(r.Stderr, "Warning") {
		t.Errorf("%s", r)
	}
	sh(t, "kubectl rollout status -n "+ns+" deploy/versioned-echo-v2 --timeout=60s")
	sh(t, "kubectl delete -n "+ns+" deploy/versioned-echo-v2")
	sh(t, "canaryctl create-canary --app versioned-echo --image versioned-echo:v2 -n "+ns)
}
