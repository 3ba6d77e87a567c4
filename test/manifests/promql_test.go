package manifests

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestExpressionsOfTheProject(t *testing.T) {
	exprs, err := Expressions(os.DirFS("../../k8s"))
	if err != nil {
		t.Fatal(err)
	}
	count := map[Kind]int{}
	for _, e := range exprs {
		count[e.Kind]++
		if strings.ContainsAny(e.Query, "$") && e.Kind != Record && e.Kind != Alert {
			t.Errorf("%s %s: a Grafana variable is left in %s", e.Kind, e.Name, e.Query)
		}
		checkReporter(t, e)
	}
	want := map[Kind]int{Record: 7, Alert: 6, Panel: 13, Variable: 2, Annotation: 1}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Errorf("expressions by kind (-want +got):\n%s", diff)
	}
}

// checkReporter: both ends of a request report it, so a selector that pins none
// counts it twice.
func checkReporter(t *testing.T, e Expr) {
	t.Helper()
	selector := regexp.MustCompile(`istio_\w+(\{[^}]*\})?`)
	for _, s := range selector.FindAllString(e.Query, -1) {
		if !strings.Contains(s, `reporter="destination"`) && !strings.Contains(s, `reporter="source"`) {
			t.Errorf("%s %s: %s pins no reporter", e.Kind, e.Name, s)
		}
	}
}

func TestInline(t *testing.T) {
	record := func(name, query string) Expr { return Expr{File: "r.yaml", Kind: Record, Name: name, Query: query} }
	alert := func(query string) Expr { return Expr{File: "r.yaml", Kind: Alert, Name: "A", Query: query} }
	tests := []struct {
		name  string
		exprs []Expr
		want  string // the last query
		err   string
	}{
		{"plain", []Expr{alert("up == 0")}, "up == 0", ""},
		{"once", []Expr{record("a:x", "sum(x)"), alert("a:x > 1")}, "(sum(x)) > 1", ""},
		{"nested", []Expr{record("a:x", "sum(x)"), record("a:y:r", "a:x / 2"), alert("a:y:r > a:x")}, "((sum(x)) / 2) > (sum(x))", ""},
		{"unknown", []Expr{alert("a:z > 1")}, "", "alert A in r.yaml reads a:z, which no rule records"},
		{"circular", []Expr{record("a:x", "a:x + 1")}, "", "record a:x in r.yaml is recorded in terms of itself"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := inline(tt.exprs)
			if err != nil || tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("error %v, want %q", err, tt.err)
				}
				return
			}
			if query := got[len(got)-1].Query; query != tt.want {
				t.Errorf("query %q, want %q", query, tt.want)
			}
		})
	}
}

func TestExpressionsOfADashboard(t *testing.T) {
	root := fstest.MapFS{"d.yaml": {Data: []byte(`apiVersion: v1
kind: ConfigMap
metadata: {name: d, labels: {grafana_dashboard: "1"}}
data:
  d.json: |
    {"panels": [{"title": "P", "description": "Empty is good.",
                 "targets": [{"expr": "rate(x{ns=\"$namespace\"}[$__rate_interval])"}]}],
     "templating": {"list": [{"name": "ds", "type": "datasource"},
                             {"name": "v", "type": "query", "definition": "label_values(up{s=\"$service\"}, job)"}]}}
`)}}
	got, err := Expressions(root)
	if err != nil {
		t.Fatal(err)
	}
	want := []Expr{
		{File: "d.yaml", Kind: Panel, Name: "P", Query: `rate(x{ns="default"}[1m])`, MayBeEmpty: true},
		{File: "d.yaml", Kind: Variable, Name: "v", Query: `up{s="versioned-echo"}`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("expressions (-want +got):\n%s", diff)
	}
}
