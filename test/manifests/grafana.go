package manifests

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// dashboard is what of Grafana's dashboard JSON holds PromQL.
type dashboard struct {
	Panels []struct {
		Title       string `json:"title"`
		Description string `json:"description"`
		Targets     []struct {
			Expr string `json:"expr"`
		} `json:"targets"`
	} `json:"panels"`
	Templating struct {
		List []struct {
			Name       string `json:"name"`
			Type       string `json:"type"`
			Definition string `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
	Annotations struct {
		List []struct {
			Name string `json:"name"`
			Expr string `json:"expr"`
		} `json:"list"`
	} `json:"annotations"`
}

func dashboardExprs(o Object) ([]Expr, error) {
	var cm corev1.ConfigMap
	if err := o.Decode(&cm); err != nil {
		return nil, err
	}
	var exprs []Expr
	for _, key := range slices.Sorted(maps.Keys(cm.Data)) {
		var d dashboard
		if err := json.Unmarshal([]byte(cm.Data[key]), &d); err != nil {
			return nil, fmt.Errorf("read %s of %s: %w", key, o, err)
		}
		for _, e := range d.exprs() {
			e.File, e.Query = o.File, substitute(e.Query)
			exprs = append(exprs, e)
		}
	}
	return exprs, nil
}

func (d dashboard) exprs() []Expr {
	var exprs []Expr
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			exprs = append(exprs, Expr{Kind: Panel, Name: p.Title, Query: t.Expr,
				MayBeEmpty: strings.Contains(p.Description, "Empty is good.")})
		}
	}
	// A variable asks for label values of a selector, which Prometheus can also
	// run as a query.
	labelValues := regexp.MustCompile(`^label_values\((.*),\s*\w+\)$`)
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			exprs = append(exprs, Expr{Kind: Variable, Name: v.Name, Query: labelValues.ReplaceAllString(v.Definition, "$1")})
		}
	}
	for _, a := range d.Annotations.List {
		exprs = append(exprs, Expr{Kind: Annotation, Name: a.Name, Query: a.Expr, MayBeEmpty: true})
	}
	return exprs
}

// substitute gives Grafana's variables the values they have in the lab guide.
func substitute(query string) string {
	return strings.NewReplacer(
		"$namespace", "default",
		"$service", "versioned-echo",
		"$__rate_interval", "1m",
	).Replace(query)
}
