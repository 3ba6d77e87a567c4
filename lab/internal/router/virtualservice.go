package router

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"time"
)

// claimVirtualServices finds the VirtualService of each host. Istio applies the
// oldest where several name one host.
func (d *draft) claimVirtualServices(objects []*object[virtualServiceSpec], claims map[string]claim) {
	owner := map[string]*object[virtualServiceSpec]{}
	for _, vs := range oldestFirst(objects) {
		d.unknownFields(vs.String(), vs.unknown)
		if len(vs.spec.TCP) > 0 {
			d.claimTCP(vs)
		}
		if len(vs.spec.HTTP) == 0 {
			continue // only tcp, or tls, which was reported
		}
		for i, host := range vs.spec.Hosts {
			fqdn := d.qualify(host, vs.namespace)
			if first := owner[fqdn]; first != nil {
				d.problem(vs, fmt.Sprintf("spec.hosts[%d]", i), "%s already speaks for %s; this one has no effect on it", first, fqdn)
				continue
			}
			owner[fqdn] = vs
			reported := false
			claims[fqdn] = func(port int32) []*rule {
				compiler := istioCompiler{draft: d, vs: vs, quiet: reported}
				reported = true // once, though each port is compiled
				return compiler.rules(port)
			}
		}
	}
}

// istioCompiler turns one VirtualService into rules.
type istioCompiler struct {
	*draft
	vs    *object[virtualServiceSpec]
	quiet bool
}

func (c *istioCompiler) complain(field, format string, arguments ...any) {
	if !c.quiet {
		c.problem(c.vs, field, format, arguments...)
	}
}

func (c *istioCompiler) rules(port int32) []*rule {
	var rules []*rule
	for i := range c.vs.spec.HTTP {
		rules = append(rules, c.rule(&c.vs.spec.HTTP[i], fmt.Sprintf("spec.http[%d]", i), port))
	}
	return rules
}

func (c *istioCompiler) rule(h *httpRoute, field string, port int32) *rule {
	r := &rule{
		timeout:    time.Duration(h.Timeout),
		direct:     h.DirectResponse,
		headers:    compileHeaders(h.Headers),
		fault:      compileFault(h.Fault),
		unresolved: http.StatusServiceUnavailable,
	}
	var prefix string
	for i := range h.Match {
		m := &h.Match[i]
		at := fmt.Sprintf("%s.match[%d]", field, i)
		holds, err := c.condition(m, at, port)
		if err != nil {
			c.complain(at, "%v; the match never holds", err)
			holds = never
		}
		r.conditions = append(r.conditions, holds)
		if m.URI != nil {
			prefix = cmp.Or(prefix, value(m.URI.Prefix), value(m.URI.Exact))
		}
	}
	var err error
	if r.retry, err = compileRetry(h.Retries); err != nil {
		c.complain(field+".retries.retryOn", "%v", err)
	}
	if r.rewrite, err = compileRewrite(h.Rewrite, prefix); err != nil {
		c.complain(field+".rewrite", "%v", err)
	}
	if to := h.Redirect; to != nil {
		r.redirect = &redirect{scheme: to.Scheme, host: to.Authority, port: to.Port, code: cmp.Or(to.RedirectCode, http.StatusMovedPermanently)}
		if to.URI != "" {
			r.redirect.path = replaceAll(to.URI)
		}
	}
	c.destinations(r, h, field, port)
	return r
}

func (c *istioCompiler) destinations(r *rule, h *httpRoute, field string, port int32) {
	for i := range h.Route {
		to := &h.Route[i]
		weight := uint64(max(to.Weight, 0))
		if len(h.Route) == 1 {
			weight = 100 // a single destination gets everything, whatever it says
		}
		r.split.add(destination{weight, c.destination(&to.Destination, port), compileHeaders(to.Headers)})
	}
	if r.split.total == 0 && r.redirect == nil && r.direct == nil {
		c.complain(field+".route", "the weights sum to 0: every request is refused")
	}
	if h.Mirror != nil {
		r.mirrors = append(r.mirrors, mirror{mirrorShare(h.MirrorPercentage), c.destination(h.Mirror, port)})
	}
	for i := range h.Mirrors {
		r.mirrors = append(r.mirrors, mirror{mirrorShare(h.Mirrors[i].Percentage), c.destination(&h.Mirrors[i].Destination, port)})
	}
}

// destination finds the cluster; where no port is named it is the port of the
// request, if the destination has it.
func (c *istioCompiler) destination(to *istioDestination, port int32) *cluster {
	host := c.qualify(to.Host, c.vs.namespace)
	if to.Port != nil {
		return c.cluster(host, to.Port.Number, to.Subset)
	}
	if s := c.services[host]; s != nil && s.port(port) == nil {
		port = 0
	}
	return c.cluster(host, port, to.Subset)
}

// condition compiles one entry of match: all of its parts have to hold.
func (c *istioCompiler) condition(m *httpMatch, field string, port int32) (condition, error) {
	var parts []condition
	var failed error
	add := func(m *stringMatch, fold bool, make func(predicate) condition) {
		if m == nil {
			return
		}
		p, err := m.compile(fold)
		failed = cmp.Or(failed, err)
		parts = append(parts, make(p))
	}
	add(m.URI, m.IgnoreURICase, pathIs)
	add(m.Method, false, methodIs)
	add(m.Authority, false, hostIs)
	add(m.Scheme, false, func(p predicate) condition { return func(*call) bool { return p("http") } })
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		match := m.Headers[name]
		add(&match, false, func(p predicate) condition { return headerIs(name, p) })
	}
	for _, name := range slices.Sorted(maps.Keys(m.WithoutHeaders)) {
		match := m.WithoutHeaders[name]
		add(&match, false, func(p predicate) condition { return not(headerIs(name, p)) })
	}
	for _, name := range slices.Sorted(maps.Keys(m.QueryParams)) {
		match := m.QueryParams[name]
		add(&match, false, func(p predicate) condition { return paramIs(name, p) })
	}
	if m.Port != 0 && int32(m.Port) != port {
		parts = append(parts, never)
	}
	if len(m.SourceLabels) > 0 || m.SourceNamespace != "" && m.SourceNamespace != c.namespace {
		c.complainOfSources(field)
		parts = append(parts, never)
	}
	return all(parts), failed
}

func (c *istioCompiler) complainOfSources(field string) {
	c.complain(field, "the lab's clients are in namespace %s and have no labels: the match never holds", c.namespace)
}

func compileFault(f *httpFault) fault {
	var out fault
	if f == nil {
		return out
	}
	if f.Delay != nil {
		out.delay, out.delayShare = time.Duration(f.Delay.FixedDelay), percent(f.Delay.Percent)
		if f.Delay.Percentage != nil {
			out.delayShare = percent(f.Delay.Percentage.Value)
		}
	}
	if f.Abort != nil && f.Abort.Percentage != nil { // without a percentage no request is aborted
		out.abort, out.abortShare = f.Abort.HTTPStatus, percent(f.Abort.Percentage.Value)
	}
	return out
}

func compileRewrite(r *httpRewrite, prefix string) (rewrite, error) {
	if r == nil {
		return rewrite{}, nil
	}
	out := rewrite{authority: r.Authority}
	switch {
	case r.Regex != nil:
		re, err := regexp.Compile(r.Regex.Match)
		if err != nil {
			return out, fmt.Errorf("regular expression %q: %w", r.Regex.Match, err)
		}
		out.path = replaceRegex(re, envoyReplacement(r.Regex.Rewrite))
	case r.URI != "":
		out.path = replacePrefix(cmp.Or(prefix, "/"), r.URI)
	}
	return out, nil
}

// envoyReplacement turns RE2's \1 into Go's ${1}.
func envoyReplacement(s string) string {
	return regexp.MustCompile(`\\(\d)`).ReplaceAllString(s, "$${$1}")
}

func compileHeaders(h *istioHeaders) headers {
	var out headers
	if h == nil {
		return out
	}
	return headers{request: compileOps(h.Request), response: compileOps(h.Response)}
}

func compileOps(o *istioHeaderOps) headerOps {
	if o == nil {
		return headerOps{}
	}
	list := func(m map[string]string) (out []header) {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			out = append(out, header{name, m[name]})
		}
		return out
	}
	return headerOps{set: list(o.Set), add: list(o.Add), remove: o.Remove}
}

func mirrorShare(p *percentage) share {
	if p == nil {
		return percent(100)
	}
	return percent(p.Value)
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
