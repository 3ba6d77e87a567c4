// Package crds holds the definitions of the custom resources that the lab serves, and
// installs them.
package crds

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
)

//go:generate go run ./gen

//go:embed data/*.json
var data embed.FS

// DigestAnnotation tells, on an installed definition, which text it was installed from.
const DigestAnnotation = "canary-lab.canaryctl.io/digest"

// Definition is one CustomResourceDefinition.
type Definition struct {
	Name     string // plural.group
	Group    string
	Plural   string
	Versions []string // those served
	Digest   string
	JSON     []byte
}

// All returns the embedded definitions, by name.
func All() ([]Definition, error) {
	entries, err := data.ReadDir("data")
	if err != nil {
		return nil, fmt.Errorf("read the embedded definitions: %w", err)
	}
	all := make([]Definition, 0, len(entries))
	for _, entry := range entries {
		text, err := data.ReadFile(path.Join("data", entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the embedded definitions: %w", err)
		}
		definition, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("read the embedded definition %s: %w", entry.Name(), err)
		}
		all = append(all, definition)
	}
	return all, nil
}

func parse(text []byte) (Definition, error) {
	var d struct {
		Metadata struct {
			Name        string
			Annotations map[string]string
		}
		Spec struct {
			Group    string
			Names    struct{ Plural string }
			Versions []struct {
				Name   string
				Served bool
			}
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return Definition{}, err
	}
	definition := Definition{
		Name:   d.Metadata.Name,
		Group:  d.Spec.Group,
		Plural: d.Spec.Names.Plural,
		Digest: d.Metadata.Annotations[DigestAnnotation],
		JSON:   text,
	}
	for _, version := range d.Spec.Versions {
		if version.Served {
			definition.Versions = append(definition.Versions, version.Name)
		}
	}
	return definition, nil
}
