package workload

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// ParseEnv reads NAME=VALUE as a person types it.
func ParseEnv(text string) (Env, error) {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return Env{}, fmt.Errorf("environment variable %q: not of the form NAME=VALUE", text)
	}
	if problems := validation.IsEnvVarName(name); len(problems) > 0 {
		return Env{}, fmt.Errorf("environment variable %q: %s", name, problems[0])
	}
	return Env{Name: name, Value: value}, nil
}

// setEnv returns the list with the variables set: in the place of their
// namesakes, so that variables which refer to them ("$(NAME)") still find them
// earlier in the list, else at the end.
func setEnv(list any, variables []Env) []any {
	entries, _ := list.([]any)
	for _, v := range variables {
		entry := map[string]any{"name": v.Name, "value": v.Value}
		if i := indexByName(entries, v.Name); i >= 0 {
			entries[i] = entry
			continue
		}
		entries = append(entries, entry)
	}
	return entries
}

// followsLabel reports whether the version reaches the process by itself, from
// the Pod's label through the downward API.
func followsLabel(list any) bool {
	entries, _ := list.([]any)
	i := indexByName(entries, EnvVersion)
	if i < 0 {
		return false
	}
	entry, _ := entries[i].(map[string]any)
	from, _ := entry["valueFrom"].(map[string]any)
	field, _ := from["fieldRef"].(map[string]any)
	return field["fieldPath"] == "metadata.labels['"+LabelVersion+"']"
}

func indexByName(entries []any, name string) int {
	for i, entry := range entries {
		if m, ok := entry.(map[string]any); ok && m["name"] == name {
			return i
		}
	}
	return -1
}

// namesOf returns the names of a list of named objects, such as containers.
func namesOf(entries []any) []string {
	names := make([]string, len(entries))
	for i, entry := range entries {
		if m, ok := entry.(map[string]any); ok {
			names[i], _ = m["name"].(string)
		}
	}
	return names
}
