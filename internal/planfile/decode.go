package planfile

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// place is where something stands in a file; both count from 1.
type place struct{ line, column int }

// decoder sets a Go value from the nodes of a YAML file. Unlike a library it says
// of all mistakes where they are, and remembers where each field stands, for what
// is noticed later. Fields that the file does not name keep the value they have.
type decoder struct {
	given    map[string]place
	mistakes []Mistake
}

func (d *decoder) wrong(n *yaml.Node, path, format string, args ...any) {
	d.mistakes = append(d.mistakes, Mistake{Line: n.Line, Column: n.Column, Field: path, Text: fmt.Sprintf(format, args...)})
}

// value decodes a node, by the kind of what it is to become.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	d.given[path] = place{n.Line, n.Column}
	if v.Kind() == reflect.Pointer {
		v = pointed(n, v)
	}
	leaf, isLeaf := v.Addr().Interface().(json.Unmarshaler)
	short, isShort := v.Addr().Interface().(interface{ short(string) })
	switch {
	case n.Kind == yaml.AliasNode:
		d.wrong(n, path, "*%s stands for something elsewhere; a plan says everything where it is", n.Value)
	case n.ShortTag() == "!!null":
		d.wrong(n, path, "there is no value; leave the field out for the default")
	case isLeaf:
		d.leaf(n, leaf, v, path)
	case isShort && n.Kind == yaml.ScalarNode:
		if text, ok := d.text(n, path); ok {
			short.short(text)
		}
	case v.Kind() == reflect.Struct:
		d.object(n, v, path)
	case v.Kind() == reflect.Map:
		d.table(n, v, path)
	case v.Kind() == reflect.Slice:
		d.list(n, v, path)
	default:
		d.scalar(n, v, path)
	}
}

// pointed is what a pointer leads to. Where a node cannot become that, the pointer
// stays as it is: a header that is none makes no step for headers.
func pointed(n *yaml.Node, v reflect.Value) reflect.Value {
	if !v.IsNil() {
		return v.Elem()
	}
	to := reflect.New(v.Type().Elem())
	if to.Elem().Kind() != reflect.Struct || n.Kind == yaml.MappingNode {
		v.Set(to)
	}
	return to.Elem()
}

// pairs calls f with the keys and values of a mapping, each key once.
func (d *decoder) pairs(n *yaml.Node, path string, f func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, path, "want fields with values, as \"name: value\", and this is %s", kindOf(n))
		return
	}
	first := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch before := first[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			d.wrong(key, path, "the name of a field is a word, and this is %s", kindOf(key))
		case before != nil:
			d.wrong(key, join(path, key.Value), "it is there twice, first in line %d", before.Line)
		default:
			first[key.Value] = key
			f(key, value)
		}
	}
}

func (d *decoder) object(n *yaml.Node, v reflect.Value, path string) {
	known := fieldsOf(v.Type())
	d.pairs(n, path, func(key, value *yaml.Node) {
		for _, f := range known {
			if f.name == key.Value {
				d.value(value, v.FieldByIndex(f.index), join(path, f.name))
				return
			}
		}
		names := make([]string, len(known))
		for i, f := range known {
			names[i] = f.name
		}
		if near := nearest(key.Value, names); near != "" {
			d.wrong(key, join(path, key.Value), "there is no such field; did you mean %s?", near)
			return
		}
		d.wrong(key, join(path, key.Value), "there is no such field; there are %s", strings.Join(names, ", "))
	})
}

func (d *decoder) table(n *yaml.Node, v reflect.Value, path string) {
	v.Set(reflect.MakeMap(v.Type()))
	d.pairs(n, path, func(key, value *yaml.Node) {
		if key.Value == "" {
			d.wrong(key, path, "a name is empty")
			return
		}
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(value, element, join(path, key.Value))
		v.SetMapIndex(reflect.ValueOf(key.Value), element)
	})
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.wrong(n, path, "want a list, and this is %s", kindOf(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, element := range n.Content {
		d.value(element, v.Index(i), path+"["+strconv.Itoa(i)+"]")
	}
}

// leaf has a way of its own to read what stands there, and tells what it wants.
func (d *decoder) leaf(n *yaml.Node, into json.Unmarshaler, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode {
		d.wrong(n, path, "want %s, and this is %s", wanted(v.Type()), kindOf(n))
		return
	}
	text, err := json.Marshal(n.Value)
	if tag := n.ShortTag(); err == nil && (tag == "!!int" || tag == "!!float") {
		var number float64
		if err = n.Decode(&number); err == nil {
			text, err = json.Marshal(number)
		}
	}
	if err == nil {
		err = into.UnmarshalJSON(text)
	}
	if err != nil {
		d.wrong(n, path, "%v", err)
	}
}

// text is a string that nothing else could be meant by.
func (d *decoder) text(n *yaml.Node, path string) (string, bool) {
	switch tag := n.ShortTag(); {
	case n.Kind != yaml.ScalarNode:
		d.wrong(n, path, "want text, and this is %s", kindOf(n))
	case tag != "!!str" && tag != "!!timestamp":
		d.wrong(n, path, "want text, and this is %s; put it in quotes: %q", kindOf(n), n.Value)
	default:
		return n.Value, true
	}
	return "", false
}

// scalar sets text, numbers and booleans.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	if v.Kind() == reflect.String {
		if text, ok := d.text(n, path); ok {
			v.SetString(text)
		}
		return
	}
	fits := map[reflect.Kind]string{
		reflect.Bool: "!!bool", reflect.Int: "!!int", reflect.Uint64: "!!int", reflect.Float64: "!!int !!float",
	}[v.Kind()]
	fine := n.Kind == yaml.ScalarNode && strings.Contains(fits, n.ShortTag()) && n.Decode(v.Addr().Interface()) == nil
	if !fine || v.Kind() == reflect.Float64 && (math.IsInf(v.Float(), 0) || math.IsNaN(v.Float())) {
		d.wrong(n, path, "want %s, and this is %s", wanted(v.Type()), kindOf(n))
	}
}

// join is the path of a field.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// wanted says in words what a field of a type holds.
func wanted(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[canary.Duration]():
		return `a duration such as "90s"`
	case reflect.TypeFor[Share]():
		return "a share such as 0.1 or 10%"
	case reflect.TypeFor[Factor]():
		return "a number above 1, or off"
	case reflect.TypeFor[Dispersion]():
		return "a number of 1 or more, or auto"
	case reflect.TypeFor[Quantile]():
		return "a quantile such as p95"
	case reflect.TypeFor[canary.Percent]():
		return "a percentage such as 10 or 0.5"
	case reflect.TypeFor[GRPCStatus]():
		return "a status of gRPC such as Unavailable or 14"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Uint64:
		return "a whole number of 0 or more"
	case reflect.Float64:
		return "a number"
	}
	return "text"
}

// kindOf says in words what a node is.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	what := map[string]string{"!!int": "the number", "!!float": "the number", "!!bool": "the boolean", "!!str": "the text"}[n.ShortTag()]
	if what == "" {
		what = "the value"
	}
	return what + " " + strconv.Quote(brief(n.Value))
}

// brief keeps a whole file from standing in an error.
func brief(text string) string {
	const most = 40
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
