// Command gen takes the definitions of other projects' custom resources out of the
// Go module cache and writes them, without their prose, for the lab to embed.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/canaryctl/canaryctl/lab/internal/crds"
)

// source is a module with definitions in it. All of those below are under Apache-2.0.
type source struct {
	project string
	module  string // with version
	files   string // glob
	names   []string
}

func sources() []source {
	return []source{
		{"Istio", "istio.io/api@v1.31.1", "kubernetes/customresourcedefinitions.gen.yaml", []string{
			"virtualservices.networking.istio.io",
			"destinationrules.networking.istio.io",
			"gateways.networking.istio.io",
			"serviceentries.networking.istio.io",
		}},
		{"Gateway API", "sigs.k8s.io/gateway-api@v1.6.3", "config/crd/standard/*.yaml", []string{
			"gatewayclasses.gateway.networking.k8s.io",
			"gateways.gateway.networking.k8s.io",
			"httproutes.gateway.networking.k8s.io",
			"referencegrants.gateway.networking.k8s.io",
		}},
		{"Argo Rollouts", "github.com/argoproj/argo-rollouts@v1.10.1", "manifests/crds/*-crd.yaml", []string{
			"rollouts.argoproj.io",
			"analysisruns.argoproj.io",
			"analysistemplates.argoproj.io",
			"clusteranalysistemplates.argoproj.io",
			"experiments.argoproj.io",
		}},
		{"Prometheus operator", "github.com/prometheus-operator/prometheus-operator@v0.94.0",
			"example/prometheus-operator-crd/*.yaml", []string{
				"servicemonitors.monitoring.coreos.com",
				"podmonitors.monitoring.coreos.com",
				"prometheusrules.monitoring.coreos.com",
			}},
	}
}

func main() {
	if err := run(context.Background(), "."); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string) error {
	readme := &strings.Builder{}
	readme.WriteString(readmeHead)
	for _, s := range sources() {
		root, err := download(ctx, s.module)
		if err != nil {
			return err
		}
		found, err := s.read(root)
		if err != nil {
			return err
		}
		for _, name := range s.names {
			definition, ok := found[name]
			if !ok {
				return fmt.Errorf("find %s in %s of %s: it is not there", name, s.files, s.module)
			}
			if err := write(filepath.Join(dir, "data", name+".json"), definition); err != nil {
				return err
			}
			fmt.Fprintf(readme, "| `%s` | %s | `%s` |\n", name, s.project, s.module)
		}
	}
	return os.WriteFile(filepath.Join(dir, "README.md"), []byte(readme.String()), 0o644)
}

// download returns where a module lies in the cache.
func download(ctx context.Context, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	out, err := cmd.Output()
	var answer struct{ Dir, Error string }
	if decodeErr := json.Unmarshal(out, &answer); decodeErr != nil {
		return "", fmt.Errorf("download %s: %w", module, errors.Join(err, decodeErr))
	}
	if answer.Error != "" {
		return "", fmt.Errorf("download %s: %s", module, answer.Error)
	}
	return answer.Dir, nil
}

// read returns the wanted definitions by name.
func (s source) read(root string) (map[string]map[string]any, error) {
	paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(s.files)))
	if err != nil {
		return nil, err
	}
	found := map[string]map[string]any{}
	for _, path := range paths {
		file, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(file)))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", path, err)
			}
			var object map[string]any
			if err := yaml.Unmarshal(document, &object); err != nil {
				return nil, fmt.Errorf("read %s: %w", path, err)
			}
			metadata, _ := object["metadata"].(map[string]any)
			name, _ := metadata["name"].(string)
			if object["kind"] == "CustomResourceDefinition" && slices.Contains(s.names, name) {
				found[name] = object
			}
		}
	}
	return found, nil
}

// write stores a definition as one line of JSON, which an API server reads many times faster
// than YAML, with a digest by which an unchanged one is known.
func write(path string, definition map[string]any) error {
	delete(definition, "status")
	if name, _ := definition["metadata"].(map[string]any)["name"].(string); strings.HasSuffix(name, ".argoproj.io") {
		openPodSpecs(definition)
	}
	dropProse(definition)
	plain, err := json.Marshal(definition)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(plain)
	metadata := definition["metadata"].(map[string]any)
	annotations, ok := metadata["annotations"].(map[string]any)
	if !ok {
		annotations = map[string]any{}
		metadata["annotations"] = annotations
	}
	annotations[crds.DigestAnnotation] = hex.EncodeToString(digest[:8])
	line, err := json.Marshal(definition)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(line, '\n'), 0o644)
}

// dropProse deletes every description. A property that is called "description" is
// a schema, not a string, and stays.
func dropProse(node any) {
	switch node := node.(type) {
	case map[string]any:
		if _, prose := node["description"].(string); prose {
			delete(node, "description")
		}
		for _, child := range node {
			dropProse(child)
		}
	case []any:
		for _, child := range node {
			dropProse(child)
		}
	}
}

// openPodSpecs replaces the schema of every embedded Pod spec by "any object". Argo Rollouts repeats
// the whole of it dozens of times, nine tenths of 3 MB, which would be
// most of the lab's start-up time and of the API server's memory.
func openPodSpecs(node any) {
	switch node := node.(type) {
	case map[string]any:
		properties, _ := node["properties"].(map[string]any)
		if properties["containers"] != nil && properties["terminationGracePeriodSeconds"] != nil {
			clear(node)
			node["type"] = "object"
			node["x-kubernetes-preserve-unknown-fields"] = true
			return
		}
		for _, child := range node {
			openPodSpecs(child)
		}
	case []any:
		for _, child := range node {
			openPodSpecs(child)
		}
	}
}
