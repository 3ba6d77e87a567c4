package planfile

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
)

//go:embed fields.yaml
var fieldsText []byte

// Field is what a plan file may say in one place.
type Field struct {
	Path    string   // spec.policy.doubt
	Kind    string   // what stands there, in words
	Text    string   // what it means
	Default string   // what it is where the file does not say; empty for nothing
	Choices []string // all that it may be; nil where there are too many
	Fields  []Field  // that are in it, without theirs
}

// Describe is the field at a path, as spec.steps.min or steps[1].min; the whole
// file for the empty one. An error names what was probably meant.
func Describe(path string) (Field, error) {
	f, t := Field{Kind: "a plan file", Text: "How a release goes, how the canary is judged, who must agree and who is told."}, reflect.TypeFor[Document]()
	var texts map[string]string
	if err := yaml.Unmarshal(fieldsText, &texts); err != nil {
		return f, err
	}
	at := reflect.ValueOf(Default())
	names := split(path)
	if len(names) > 0 && known(t, names[0]) == nil && known(reflect.TypeFor[Spec](), names[0]) != nil {
		names = append([]string{"spec"}, names...)
	}
	for len(names) > 0 {
		if t = inner(t); t.Kind() == reflect.Map { // the name of a gate
			f = Field{Path: f.Path + ".<name>", Kind: kind(t.Elem()), Text: f.Text}
			t, at, names = t.Elem(), reflect.Value{}, names[1:]
			continue
		}
		next := known(t, names[0])
		if next == nil {
			return f, missing(f.Path, names[0], t)
		}
		f, at = describe(texts, f.Path, t, *next, at)
		t, names = next.kind, names[1:]
	}
	if t = inner(t); t.Kind() == reflect.Map {
		f.Path, t = f.Path+".<name>", inner(t.Elem())
	}
	if t.Kind() == reflect.Struct {
		for _, in := range fieldsOf(t) {
			below, _ := describe(texts, f.Path, t, in, at)
			f.Fields = append(f.Fields, below)
		}
	}
	return f, nil
}

// describe is one field of a struct, with its value in the default document, which
// is not valid where that has none.
func describe(texts map[string]string, path string, in reflect.Type, f field, at reflect.Value) (Field, reflect.Value) {
	if at.IsValid() && at.Kind() == reflect.Struct {
		at = at.FieldByIndex(f.index)
		if at.Kind() == reflect.Pointer {
			at = at.Elem() // not valid of nil
		}
	} else {
		at = reflect.Value{}
	}
	d := Field{
		Path: join(path, f.name), Kind: kind(f.kind), Text: texts[in.Name()+"."+f.name],
		Choices: choices(in, f), Default: preset(at),
	}
	if at.Kind() == reflect.Slice {
		at = reflect.Value{}
	}
	return d, at
}

// preset is a default as a file would say it, on one line.
func preset(v reflect.Value) string {
	if !v.IsValid() || v.IsZero() && v.Kind() != reflect.Bool || v.Kind() == reflect.Struct {
		if !v.IsValid() || !isLeaf(v.Type()) {
			return ""
		}
	}
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return ""
	}
	return strings.Trim(string(text), `"`)
}

// isLeaf reports whether a type is written as one word.
func isLeaf(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())
}

// choices are all values that a field may have, where they are few words.
func choices(in reflect.Type, f field) []string {
	switch t := inner(f.kind); t {
	case reflect.TypeFor[canary.Response]():
		if in == reflect.TypeFor[canary.Policy]() && f.name == "interrupt" {
			return words(canary.Pause, canary.RollBack)
		}
		return words(canary.Hold, canary.Pause, canary.RollBack)
	case reflect.TypeFor[canary.Promotion]():
		return words(canary.Switch, canary.InPlace)
	case reflect.TypeFor[event.Kind]():
		return words(event.Kinds()...)
	}
	switch in.Name() + "." + f.name {
	case "Document.apiVersion":
		return []string{APIVersion}
	case "Document.kind":
		return []string{Kind}
	case "Metric.name", "Limit.metric":
		return []string{analysis.Errors, Latency}
	}
	return nil
}

func words[T ~string](all ...T) []string {
	texts := make([]string, len(all))
	for i, w := range all {
		texts[i] = string(w)
	}
	return texts
}

// inner is what a list or a pointer is of.
func inner(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// kind says in words what stands in a field of a type.
func kind(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return kind(t.Elem())
	case t.Kind() == reflect.Slice && inner(t).Kind() == reflect.Struct:
		return "a list, each with fields"
	case t.Kind() == reflect.Slice:
		return "a list of words"
	case t.Kind() == reflect.Map:
		return "fields by name"
	case t.Kind() == reflect.Struct:
		return "fields"
	}
	return wanted(t)
}

func known(t reflect.Type, name string) *field {
	if t = inner(t); t.Kind() != reflect.Struct {
		return nil
	}
	for _, f := range fieldsOf(t) {
		if f.name == name {
			return &f
		}
	}
	return nil
}

func missing(path, name string, t reflect.Type) error {
	if path == "" {
		path = "a plan file"
	}
	if t.Kind() != reflect.Struct {
		return fmt.Errorf("%s has no fields, and so no %q", path, name)
	}
	var names []string
	for _, f := range fieldsOf(t) {
		names = append(names, f.name)
	}
	if near := nearest(name, names); near != "" {
		return fmt.Errorf("%s has no field %q; did you mean %s?", path, name, near)
	}
	return fmt.Errorf("%s has no field %q; it has %s", path, name, strings.Join(names, ", "))
}

// split takes a path apart; what stands in brackets does not matter.
func split(path string) []string {
	var names []string
	for _, part := range strings.Split(path, ".") {
		part, _, _ = strings.Cut(part, "[")
		if part != "" {
			names = append(names, part)
		}
	}
	return names
}
