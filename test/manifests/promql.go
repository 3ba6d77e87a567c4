package manifests

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

// Kind says where an expression stands.
type Kind string

// The places where the project ships PromQL.
const (
	Record     Kind = "record"
	Alert      Kind = "alert"
	Panel      Kind = "panel"
	Variable   Kind = "variable"
	Annotation Kind = "annotation"
)

// Expr is one expression, ready for a Prometheus that has evaluated no rule:
// names of recorded series are replaced by what they record, and Grafana's
// variables by the names of the lab guide.
type Expr struct {
	File  string
	Kind  Kind
	Name  string // of the recorded series, alert, panel, variable or annotation
	Query string
	// MayBeEmpty is true where a healthy release returns no series: alerts that do
	// not fire, and panels that say "Empty is good."
	MayBeEmpty bool
}

// Expressions lists every expression of the PrometheusRules and dashboards below
// root, which is the folder k8s/.
func Expressions(root fs.FS) ([]Expr, error) {
	objects, err := Load(root)
	if err != nil {
		return nil, err
	}
	var exprs []Expr
	for _, o := range objects {
		var found []Expr
		switch {
		case o.Kind == "PrometheusRule":
			found, err = ruleExprs(o)
		case o.Kind == "ConfigMap" && o.Labels["grafana_dashboard"] != "":
			found, err = dashboardExprs(o)
		}
		if err != nil {
			return nil, err
		}
		exprs = append(exprs, found...)
	}
	return inline(exprs)
}

// prometheusRule is the part of the operator's type that the project uses.
type prometheusRule struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       struct {
		Groups []struct {
			Name     string `json:"name"`
			Interval string `json:"interval"`
			Rules    []rule `json:"rules"`
		} `json:"groups"`
	} `json:"spec"`
}

// rule records a series or raises an alert.
type rule struct {
	Record      string            `json:"record"`
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func ruleExprs(o Object) ([]Expr, error) {
	var pr prometheusRule
	if err := o.Decode(&pr); err != nil {
		return nil, err
	}
	var exprs []Expr
	for _, group := range pr.Spec.Groups {
		for _, r := range group.Rules {
			e := Expr{File: o.File, Kind: Record, Name: r.Record, Query: strings.TrimSpace(r.Expr)}
			if r.Alert != "" {
				e.Kind, e.Name, e.MayBeEmpty = Alert, r.Alert, true
			}
			exprs = append(exprs, e)
		}
	}
	return exprs, nil
}

// inline replaces the names of recorded series by the expressions that record
// them, to any depth. A name that contains ":" and is recorded nowhere, or by
// itself, is an error.
func inline(exprs []Expr) ([]Expr, error) {
	recorded := make(map[string]string)
	for _, e := range exprs {
		if e.Kind == Record {
			recorded[e.Name] = e.Query
		}
	}
	// By convention only recorded series have a colon in their name.
	name := regexp.MustCompile(`[a-zA-Z_]\w*(:\w+)+`)
	for i, e := range exprs {
		for depth := 0; name.MatchString(e.Query); depth++ {
			if depth > len(recorded) {
				return nil, fmt.Errorf("%s %s in %s is recorded in terms of itself", e.Kind, e.Name, e.File)
			}
			var unknown string
			e.Query = name.ReplaceAllStringFunc(e.Query, func(series string) string {
				if _, ok := recorded[series]; !ok {
					unknown = series
				}
				return "(" + recorded[series] + ")"
			})
			if unknown != "" {
				return nil, fmt.Errorf("%s %s in %s reads %s, which no rule records", e.Kind, e.Name, e.File, unknown)
			}
		}
		exprs[i].Query = e.Query
	}
	return exprs, nil
}
