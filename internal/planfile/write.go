package planfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// YAML is the document as a file: what differs from Default and what a note is
// about, with the notes as comments. Parse reads it back.
func (d Document) YAML(notes []Note) ([]byte, error) {
	stored, err := d.Stored()
	if err != nil {
		return nil, err
	}
	defaults, err := Default().stored()
	if err != nil {
		return nil, err
	}
	w := writer{notes: map[string][]string{}}
	for _, n := range notes {
		w.notes[n.Field] = append(w.notes[n.Field], n.Text)
	}
	var mine, usual any
	if err := decodeNumbers(stored, &mine); err != nil {
		return nil, err
	}
	if err := decodeNumbers(defaults, &usual); err != nil {
		return nil, err
	}
	root := w.node(mine, usual, reflect.TypeFor[Document](), "")
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(root); err != nil {
		return nil, fmt.Errorf("write the plan as YAML: %w", err)
	}
	return b.Bytes(), e.Close()
}

// decodeNumbers keeps numbers as they are written.
func decodeNumbers(text []byte, into *any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(into)
}

type writer struct{ notes map[string][]string }

// node is a value in the order of its type's fields.
func (w writer) node(v, usual any, t reflect.Type, path string) *yaml.Node {
	n := &yaml.Node{}
	switch v := v.(type) {
	case map[string]any:
		n.Kind = yaml.MappingNode
		was, _ := usual.(map[string]any)
		for _, f := range order(v, was, inner(t)) {
			at := join(path, f.name)
			if _, said := v[f.name]; !said {
				v[f.name] = zero(f.kind) // left out as empty, and that is not the default
			}
			if path != "" && w.notes[at] == nil && reflect.DeepEqual(v[f.name], was[f.name]) {
				continue
			}
			key := &yaml.Node{Kind: yaml.ScalarNode, Value: f.name, HeadComment: w.comment(at)}
			n.Content = append(n.Content, key, w.node(v[f.name], was[f.name], f.kind, at))
		}
	case []any:
		n.Kind = yaml.SequenceNode
		for i, element := range v {
			at := fmt.Sprintf("%s[%d]", path, i)
			in := w.node(element, nil, t, at)
			if inner(t).Kind() == reflect.Struct && plain(in) {
				in.Style = yaml.FlowStyle
			}
			in.HeadComment = w.comment(at)
			n.Content = append(n.Content, in)
		}
	case json.Number:
		n.Kind, n.Value = yaml.ScalarNode, v.String()
	case string:
		if n.SetString(v); v == "off" {
			n.Style = yaml.DoubleQuotedStyle // a boolean, to those who read YAML 1.1
		}
	default:
		n.Kind, n.Value = yaml.ScalarNode, fmt.Sprint(v)
	}
	return n
}

// plain reports whether a mapping fits on a line.
func plain(n *yaml.Node) bool {
	return !slices.ContainsFunc(n.Content, func(in *yaml.Node) bool { return in.Kind != yaml.ScalarNode })
}

func (w writer) comment(path string) string { return strings.Join(w.notes[path], "\n") }

// zero is how JSON has nothing of a type.
func zero(t reflect.Type) any {
	var v any
	if text, err := json.Marshal(reflect.Zero(t).Interface()); err == nil && decodeNumbers(text, &v) == nil {
		return v
	}
	return nil
}

// order are the fields that a value or the default has, as the type has them; names
// of a map are sorted.
func order(v, usual map[string]any, t reflect.Type) []field {
	var fields []field
	if t.Kind() != reflect.Struct {
		for name := range v {
			fields = append(fields, field{name: name, kind: t.Elem()})
		}
		slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
		return fields
	}
	for _, f := range fieldsOf(t) {
		_, said := v[f.name]
		if _, preset := usual[f.name]; said || preset {
			fields = append(fields, f)
		}
	}
	return fields
}
