package planfile

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hook"
)

var update = flag.Bool("update", false, "write docs/schema from the Go types")

const schemaFile = "../../docs/schema/plan.v1alpha1.json"

// TestSchema holds the published schema to the types and to their descriptions.
func TestSchema(t *testing.T) {
	want := schema(t)
	if *update {
		if err := os.MkdirAll(filepath.Dir(schemaFile), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("docs/schema differs from the types; go test ./internal/planfile -run TestSchema -update writes it (-types +file):\n%s", diff)
	}
}

// TestExamples holds every plan in the documentation and in testdata to both.
func TestExamples(t *testing.T) {
	compiled := compile(t)
	for name, text := range examples(t) {
		d, err := Parse(text, name)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if err := obeys(compiled, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		stored, err := d.Stored()
		if err == nil {
			err = obeys(compiled, stored)
		}
		if err != nil {
			t.Errorf("%s, stored: %v", name, err)
		}
	}
}

// An editor shows what Parse would refuse, as far as a schema can say it.
func TestSchemaRefuses(t *testing.T) {
	compiled := compile(t)
	const head = "apiVersion: canaryctl.io/v1alpha1\nkind: Plan\nspec: "
	for _, spec := range []string{
		"{colour: red}", "{steps: []}", "{steps: [{weight: 101}]}", "{steps: [{weight: 5, min: 90}]}", "{policy: {doubt: wait}}",
		"{promotion: later}", "{analysis: {evidenceCap: none}}", "{analysis: {tolerance: ten}}", "{analysis: {metrics: [{name: x}]}}", "{analysis: {grpcFailed: [17]}}",
		"{analysis: {metrics: [{name: latency, quantile: 95}]}}", "{notify: [{on: [lunch], command: {args: [x]}}]}",
		"{confirm: a, gates: {a: {}}}", "{confirm: a, gates: {a: {webhook: {url: x, urlFile: y}}}}", "{confirm: a, gates: {a: {command: {args: []}}}}",
		"{ramp: {errors: 5}}", "{steps: [{header: {value: x}}]}",
	} {
		if _, err := Parse([]byte(head+spec), "x"); err == nil {
			t.Errorf("Parse takes %s", spec)
		}
		if obeys(compiled, []byte(head+spec)) == nil {
			t.Errorf("the schema takes %s", spec)
		}
	}
}

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema(t)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("plan.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("plan.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func obeys(s *jsonschema.Schema, text []byte) error {
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return err
	}
	return s.Validate(v)
}

// examples are the blocks of YAML in docs/plan-file.md, and the files of testdata.
func examples(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	page, err := os.ReadFile("../../docs/plan-file.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range strings.Split(string(page), "```yaml\n")[1:] {
		text, _, _ := strings.Cut(block, "```")
		all["docs/plan-file.md, example "+string(rune('1'+i))] = []byte(text)
	}
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(all) < 3 || len(files) < 2 {
		t.Fatalf("%d examples in the page, %d files, %v", len(all), len(files), err)
	}
	for _, file := range files {
		if all[file], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// object is one of JSON.
type object = map[string]any

// schema describes the types in JSON Schema, 2020-12.
func schema(t *testing.T) []byte {
	t.Helper()
	var texts map[string]string
	if err := yaml.Unmarshal(fieldsText, &texts); err != nil {
		t.Fatal(err)
	}
	w := schemaWriter{texts: texts}
	root := w.of(reflect.TypeFor[Document](), reflect.ValueOf(Default()))
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "https://raw.githubusercontent.com/canaryctl/canaryctl/main/docs/schema/plan.v1alpha1.json"
	root["title"] = "canaryctl plan file"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type schemaWriter struct{ texts map[string]string }

func (w schemaWriter) of(t reflect.Type, at reflect.Value) object {
	text := func(pattern string) object { return object{"type": "string", "pattern": pattern} }
	number := func(least float64) object { return object{"type": "number", "minimum": least} }
	switch t {
	case reflect.TypeFor[canary.Duration]():
		return text(`^(0|(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+$`)
	case reflect.TypeFor[Share]():
		return object{"anyOf": []any{number(0), text(`^\d+(\.\d+)?%?$`)}}
	case reflect.TypeFor[Factor]():
		return object{"anyOf": []any{object{"type": "number", "exclusiveMinimum": 1}, object{"const": "off"}}}
	case reflect.TypeFor[Dispersion]():
		return object{"anyOf": []any{number(1), object{"const": "auto"}}}
	case reflect.TypeFor[Quantile]():
		return text(`^p\d+(\.\d+)?$`)
	case reflect.TypeFor[GRPCStatus]():
		return object{"anyOf": []any{text(`^[A-Za-z_]+$`), object{"type": "integer", "minimum": 0, "maximum": 16}}}
	case reflect.TypeFor[Confirm]():
		return object{"anyOf": []any{object{"type": "string"}, w.fields(t, at)}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return w.of(t.Elem(), at)
	case reflect.Struct:
		return w.fields(t, at)
	case reflect.Map:
		return object{"type": "object", "additionalProperties": w.of(t.Elem(), reflect.Value{})}
	case reflect.Slice:
		return object{"type": "array", "items": w.of(t.Elem(), reflect.Value{})}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Float64:
		return number(0)
	}
	return object{"type": "string"}
}

func (w schemaWriter) fields(t reflect.Type, at reflect.Value) object {
	properties := object{}
	for _, f := range fieldsOf(t) {
		told, in := describe(w.texts, "", t, f, at)
		s := w.of(f.kind, in)
		if told.Choices != nil {
			if f.kind.Kind() == reflect.Slice {
				s["items"] = object{"enum": told.Choices}
			} else {
				s = object{"enum": told.Choices}
			}
		}
		if in.IsValid() && told.Default != "" {
			s["default"] = in.Interface()
		}
		s["description"] = told.Text
		properties[f.name] = s
	}
	s := object{"type": "object", "additionalProperties": false, "properties": properties}
	required(t, s, properties)
	return s
}

// required says what the types cannot.
func required(t reflect.Type, s, properties object) {
	one := func(names ...string) []any {
		var all []any
		for _, name := range names {
			all = append(all, object{"required": []string{name}})
		}
		return all
	}
	bound := func(name string, limits object) {
		for key, v := range limits {
			properties[name].(object)[key] = v
		}
	}
	switch t {
	case reflect.TypeFor[Document]():
		s["required"] = []string{"apiVersion", "kind"}
	case reflect.TypeFor[Spec]():
		bound("steps", object{"minItems": 1})
	case reflect.TypeFor[canary.Step]():
		bound("weight", object{"maximum": canary.Total})
	case reflect.TypeFor[canary.Header]():
		s["required"] = []string{"name"}
	case reflect.TypeFor[canary.Ramp]():
		s["required"] = []string{"errors", "most"}
		bound("most", object{"minimum": 1, "maximum": canary.Total})
	case reflect.TypeFor[Analysis]():
		bound("margin", object{"minimum": 1})
	case reflect.TypeFor[Metric]():
		s["required"] = []string{"name"}
	case reflect.TypeFor[Limit]():
		s["required"] = []string{"metric", "share"}
	case reflect.TypeFor[hook.Gate]():
		s["oneOf"] = one("webhook", "command")
	case reflect.TypeFor[hook.Notification]():
		s["oneOf"] = one("webhook", "slack", "command")
	case reflect.TypeFor[hook.Webhook]():
		s["oneOf"] = one("url", "urlFile", "urlEnv")
	case reflect.TypeFor[hook.Command]():
		s["required"] = []string{"args"}
		bound("args", object{"minItems": 1})
	}
}
