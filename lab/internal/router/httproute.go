package router

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The fields of gateway.networking.k8s.io/v1 HTTPRoute that the router honours;
// see https://gateway-api.sigs.k8s.io/reference/spec/#httproute.

type httpRouteSpec struct {
	ParentRefs []struct {
		Group       string `json:"group"`
		Kind        string `json:"kind"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
		SectionName string `json:"sectionName"` // the router is every listener
		Port        int32  `json:"port"`
	} `json:"parentRefs"`
	Hostnames []string        `json:"hostnames"`
	Rules     []httpRouteRule `json:"rules"`
}

type httpRouteRule struct {
	Name        string            `json:"name"`
	Matches     []httpRouteMatch  `json:"matches"`
	Filters     []httpRouteFilter `json:"filters"`
	BackendRefs []backendRef      `json:"backendRefs"`
	Timeouts    *struct {
		Request        duration `json:"request"`
		BackendRequest duration `json:"backendRequest"`
	} `json:"timeouts"`
}

type httpRouteMatch struct {
	Path        *typedValue  `json:"path"`
	Headers     []typedValue `json:"headers"`
	QueryParams []typedValue `json:"queryParams"`
	Method      string       `json:"method"`
}

type typedValue struct {
	Type  string `json:"type"` // Exact, PathPrefix, RegularExpression
	Name  string `json:"name"`
	Value string `json:"value"`
}

type backendRef struct {
	Group     string            `json:"group"`
	Kind      string            `json:"kind"`
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Port      int32             `json:"port"`
	Weight    *int32            `json:"weight"`
	Filters   []httpRouteFilter `json:"filters"`
}

type httpRouteFilter struct {
	Type                   string           `json:"type"`
	RequestHeaderModifier  *gatewayHeaders  `json:"requestHeaderModifier"`
	ResponseHeaderModifier *gatewayHeaders  `json:"responseHeaderModifier"`
	RequestRedirect        *gatewayRedirect `json:"requestRedirect"`
	URLRewrite             *gatewayRedirect `json:"urlRewrite"`
	RequestMirror          *struct {
		BackendRef backendRef `json:"backendRef"`
		Percent    *float64   `json:"percent"`
	} `json:"requestMirror"`
}

type gatewayHeaders struct {
	Set    []typedValue `json:"set"`
	Add    []typedValue `json:"add"`
	Remove []string     `json:"remove"`
}

type gatewayRedirect struct {
	Scheme     string `json:"scheme"`
	Hostname   string `json:"hostname"`
	Port       int    `json:"port"`
	StatusCode int    `json:"statusCode"`
	Path       *struct {
		Type    string `json:"type"`
		Full    string `json:"replaceFullPath"`
		Replace string `json:"replacePrefixMatch"`
	} `json:"path"`
}

// ranked is a rule with one of its matches: the Gateway API orders matches by
// how specific they are, across all routes of a host.
type ranked struct {
	rule *rule
	rank [5]int // exact path, length of path, method, headers, query parameters
}

// claimHTTPRoutes attaches routes to Services (the mesh, GAMMA) and to host
// names (gateways).
func (d *draft) claimHTTPRoutes(objects []*object[httpRouteSpec], claims map[string]claim) {
	attached := map[string][]*object[httpRouteSpec]{}
	for _, route := range oldestFirst(objects) {
		d.unknownFields(route.String(), route.unknown)
		for _, host := range d.attachments(route) {
			attached[host] = append(attached[host], route)
		}
	}
	for host, routes := range attached {
		if claims[host] != nil {
			for _, route := range routes {
				d.problem(route, "spec", "a VirtualService already speaks for %s; this route has no effect on it", host)
			}
			continue
		}
		compiled := d.gatewayRules(routes)
		claims[host] = func(int32) []*rule { return compiled }
	}
}

// attachments are the hosts that a route speaks for.
func (d *draft) attachments(route *object[httpRouteSpec]) []string {
	var hosts []string
	for i, parent := range route.spec.ParentRefs {
		switch parent.Kind {
		case "Service":
			hosts = append(hosts, d.qualify(parent.Name, cmp.Or(parent.Namespace, route.namespace)))
		case "", "Gateway":
			for _, name := range route.spec.Hostnames {
				hosts = append(hosts, strings.ToLower(name))
			}
			if len(route.spec.Hostnames) == 0 {
				hosts = append(hosts, "*")
			}
		default:
			d.problem(route, fmt.Sprintf("spec.parentRefs[%d].kind", i), "the lab's router is no %s", parent.Kind)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

func (d *draft) gatewayRules(routes []*object[httpRouteSpec]) []*rule {
	var all []ranked
	for _, route := range routes {
		for i := range route.spec.Rules {
			all = append(all, d.gatewayRule(route, &route.spec.Rules[i], fmt.Sprintf("spec.rules[%d]", i))...)
		}
	}
	slices.SortStableFunc(all, func(a, b ranked) int { return slices.Compare(b.rank[:], a.rank[:]) })
	rules := make([]*rule, len(all))
	for i := range all {
		rules[i] = all[i].rule
	}
	return rules
}

// gatewayRule makes one rule per match, because each has a rank of its own.
func (d *draft) gatewayRule(route *object[httpRouteSpec], from *httpRouteRule, field string) []ranked {
	matches := from.Matches
	if len(matches) == 0 {
		matches = []httpRouteMatch{{}}
	}
	var out []ranked
	for i := range matches {
		m := &matches[i]
		r := &rule{retry: defaultRetry(), unresolved: http.StatusInternalServerError}
		if from.Timeouts != nil {
			r.timeout = time.Duration(from.Timeouts.Request)
			r.retry.perTry = time.Duration(from.Timeouts.BackendRequest)
		}
		holds, rank, err := gatewayCondition(m)
		if err != nil {
			d.problem(route, fmt.Sprintf("%s.matches[%d]", field, i), "%v; the match never holds", err)
			holds = never
		}
		r.conditions = []condition{holds}
		prefix := ""
		if m.Path != nil {
			prefix = m.Path.Value
		}
		r.headers = d.filters(route, r, from.Filters, prefix, field+".filters")
		for j := range from.BackendRefs {
			b := &from.BackendRefs[j]
			weight := uint64(1)
			if b.Weight != nil {
				weight = uint64(max(*b.Weight, 0))
			}
			at := fmt.Sprintf("%s.backendRefs[%d].filters", field, j)
			r.split.add(destination{weight, d.backend(route, b), d.filters(route, nil, b.Filters, prefix, at)})
		}
		out = append(out, ranked{r, rank})
	}
	return out
}

func (d *draft) backend(route *object[httpRouteSpec], b *backendRef) *cluster {
	return d.cluster(d.qualify(b.Name, cmp.Or(b.Namespace, route.namespace)), b.Port, "")
}

// filters compiles a list of filters; rule is nil for those of a backend, which
// may only change headers.
func (d *draft) filters(route *object[httpRouteSpec], r *rule, filters []httpRouteFilter, prefix, field string) headers {
	var out headers
	for i := range filters {
		f := &filters[i]
		switch {
		case f.RequestHeaderModifier != nil:
			out.request = f.RequestHeaderModifier.compile()
		case f.ResponseHeaderModifier != nil:
			out.response = f.ResponseHeaderModifier.compile()
		case r != nil && f.RequestRedirect != nil:
			to := f.RequestRedirect
			r.redirect = &redirect{scheme: to.Scheme, host: to.Hostname, port: to.Port,
				code: cmp.Or(to.StatusCode, http.StatusFound), path: to.replace(prefix)}
		case r != nil && f.URLRewrite != nil:
			r.rewrite = rewrite{path: f.URLRewrite.replace(prefix), authority: f.URLRewrite.Hostname}
		case r != nil && f.RequestMirror != nil:
			part := percent(100)
			if f.RequestMirror.Percent != nil {
				part = percent(*f.RequestMirror.Percent)
			}
			r.mirrors = append(r.mirrors, mirror{part, d.backend(route, &f.RequestMirror.BackendRef)})
		default:
			d.problem(route, fmt.Sprintf("%s[%d]", field, i), "the lab's router does not honour filter %s here", f.Type)
		}
	}
	return out
}

func (g *gatewayRedirect) replace(prefix string) func(string) string {
	switch {
	case g.Path == nil:
		return nil
	case g.Path.Type == "ReplacePrefixMatch":
		return replaceElements(prefix, g.Path.Replace)
	}
	return replaceAll(g.Path.Full)
}

func (g *gatewayHeaders) compile() headerOps {
	list := func(values []typedValue) (out []header) {
		for _, v := range values {
			out = append(out, header{v.Name, v.Value})
		}
		return out
	}
	return headerOps{set: list(g.Set), add: list(g.Add), remove: g.Remove}
}

func gatewayCondition(m *httpRouteMatch) (condition, [5]int, error) {
	var parts []condition
	var rank [5]int
	if m.Path != nil && m.Path.Value != "" {
		rank[1] = len(m.Path.Value)
		switch m.Path.Type {
		case "Exact":
			rank[0] = 1
			parts = append(parts, pathIs(equals(m.Path.Value)))
		case "RegularExpression":
			p, err := fullMatch(m.Path.Value)
			if err != nil {
				return nil, rank, err
			}
			parts = append(parts, pathIs(p))
		default:
			parts = append(parts, pathUnder(m.Path.Value))
		}
	}
	if m.Method != "" {
		rank[2] = 1
		parts = append(parts, methodIs(equals(m.Method)))
	}
	rank[3], rank[4] = len(m.Headers), len(m.QueryParams)
	for _, h := range m.Headers {
		p, err := h.predicate()
		if err != nil {
			return nil, rank, err
		}
		parts = append(parts, headerIs(h.Name, p))
	}
	for _, q := range m.QueryParams {
		p, err := q.predicate()
		if err != nil {
			return nil, rank, err
		}
		parts = append(parts, paramIs(q.Name, p))
	}
	return all(parts), rank, nil
}

func (v typedValue) predicate() (predicate, error) {
	if v.Type == "RegularExpression" {
		return fullMatch(v.Value)
	}
	return equals(v.Value), nil
}
