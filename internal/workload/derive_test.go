package workload

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the derived Deployments into testdata")

// TestDerive reads one case from each file: the Spec, the stable Deployment,
// and the canary that comes of them.
func TestDerive(t *testing.T) {
	files, err := filepath.Glob("testdata/derive/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var spec Spec
			var stable unstructured.Unstructured
			decode(t, member(t, archive, "spec.yaml").Data, &spec)
			decode(t, member(t, archive, "stable.yaml").Data, &stable.Object)
			before := stable.DeepCopy()

			canary, err := Derive(&stable, spec)
			if err != nil {
				t.Fatal(err)
			}
			got, err := yaml.Marshal(canary.Object)
			if err != nil {
				t.Fatal(err)
			}
			golden := member(t, archive, "canary.yaml")
			if *update {
				golden.Data = got
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(golden.Data), string(got)); diff != "" {
				t.Errorf("canary (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before.Object, stable.Object); diff != "" {
				t.Errorf("the stable Deployment was changed:\n%s", diff)
			}
		})
	}
}

func TestDeriveRefuses(t *testing.T) {
	deployment := func(containers ...any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"metadata": map[string]any{"name": "shop-v1", "namespace": "default"},
			"spec":     map[string]any{"template": map[string]any{"spec": map[string]any{"containers": containers}}},
		}}
	}
	one := map[string]any{"name": "shop"}
	tests := map[string]struct {
		stable *unstructured.Unstructured
		spec   Spec
		is     error
		want   string
	}{
		"no image": {
			stable: deployment(one), spec: Spec{App: "shop", Version: "v2"},
			want: `image "": not an image reference; give one like registry.example/app:v2`,
		},
		"which container": {
			stable: deployment(map[string]any{"name": "web"}, map[string]any{"name": "proxy"}),
			spec:   Spec{App: "shop", Version: "v2", Image: "shop:v2"},
			is:     ErrContainer,
			want: "derive the canary from Deployment default/shop-v1: cannot tell which container is the application: " +
				"the Pods have: web, proxy",
		},
		"no such container": {
			stable: deployment(one),
			spec:   Spec{App: "shop", Version: "v2", Image: "shop:v2", Container: "web"},
			is:     ErrContainer,
			want: "derive the canary from Deployment default/shop-v1: cannot tell which container is the application: " +
				`there is no container "web"; the Pods have: shop`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Derive(tt.stable, tt.spec)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error:\n got %v\nwant %s", err, tt.want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
		})
	}
}

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := yaml.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func member(t *testing.T, archive *txtar.Archive, name string) *txtar.File {
	t.Helper()
	for i := range archive.Files {
		if archive.Files[i].Name == name {
			return &archive.Files[i]
		}
	}
	t.Fatalf("no %s in the archive", name)
	return nil
}
