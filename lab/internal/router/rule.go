package router

import (
	"net/http"
	"regexp"
	"strings"
	"time"
)

// virtualHost is the ordered rules for one host; the first that matches counts.
type virtualHost struct {
	rules   []*rule
	anyPort bool    // a host of a gateway, for which the port means nothing here
	nowhere *target // what metrics say of requests that no Pod was chosen for
}

func (h *virtualHost) match(c *call) *rule {
	for _, r := range h.rules {
		if r.matches(c) {
			return r
		}
	}
	return nil
}

// rule is what happens to the requests that match it. Istio's routes, the
// Gateway API's rules and ingress-nginx's locations are all compiled to it.
type rule struct {
	conditions []condition // any of them; none means all requests
	split      split
	redirect   *redirect
	direct     *directResponse
	fault      fault
	timeout    time.Duration // 0: none
	retry      retryPolicy
	rewrite    rewrite
	headers    headers
	mirrors    []mirror
	unresolved int // code of the answer when a destination does not exist
}

func (r *rule) matches(c *call) bool {
	if len(r.conditions) == 0 {
		return true
	}
	for _, holds := range r.conditions {
		if holds == nil || holds(c) {
			return true
		}
	}
	return false
}

// split is the weighted destinations of a rule.
type split struct {
	total        uint64
	destinations []destination
}

type destination struct {
	weight  uint64
	cluster *cluster
	headers headers
}

func (s *split) add(d destination) {
	s.destinations = append(s.destinations, d)
	s.total += d.weight
}

// pick chooses by weight, independently for each request, as Envoy does: over n
// requests a share is binomial, not exact.
func (s *split) pick(random uint64) *destination {
	if s.total == 0 {
		return nil
	}
	at := scale(random, s.total)
	for i := range s.destinations {
		d := &s.destinations[i]
		if at < d.weight {
			return d
		}
		at -= d.weight
	}
	return nil
}

// scale maps uniform bits to 0..n-1. n is at most some thousands here, so that
// the bias of the upper 32 bits is below 1e-6 of a share.
func scale(random, n uint64) uint64 { return (random >> 32) * n >> 32 }

// share is a probability in steps of 2^-32; 1<<32 is certainty.
type share uint64

func percent(p float64) share {
	return share(min(max(p, 0), 100) / 100 * (1 << 32))
}

func (s share) hit(random uint64) bool { return random>>32 < uint64(s) }

type fault struct {
	delay      time.Duration
	delayShare share
	abort      int
	abortShare share
}

type mirror struct {
	share   share
	cluster *cluster
}

// headers changes the headers of requests and responses.
type headers struct{ request, response headerOps }

type headerOps struct {
	set, add []header
	remove   []string
}

type header struct{ name, value string }

func (o headerOps) apply(h http.Header) {
	for _, name := range o.remove {
		h.Del(name)
	}
	for _, s := range o.set {
		h.Set(s.name, s.value)
	}
	for _, a := range o.add {
		h.Add(a.name, a.value)
	}
}

// host returns the value that the operations set for the Host header, which
// net/http keeps apart from the others.
func (o headerOps) host() string {
	for _, s := range o.set {
		if strings.EqualFold(s.name, "host") || s.name == ":authority" {
			return s.value
		}
	}
	return ""
}

// rewrite changes the path and the host of a request on its way to the Pod.
type rewrite struct {
	path      func(string) string // nil: unchanged
	authority string              // empty: unchanged
}

// replacePrefix replaces the part of the path that the rule matched, literally,
// as Envoy does; Istio takes care that a rewrite to "/" leaves no "//".
func replacePrefix(prefix, with string) func(string) string {
	return func(path string) string {
		rest, ok := strings.CutPrefix(path, prefix)
		if !ok {
			return path
		}
		if with == "/" {
			rest = strings.TrimPrefix(rest, "/")
		}
		return with + rest
	}
}

// replaceElements is the Gateway API's ReplacePrefixMatch: it replaces whole
// path elements, and a trailing slash of either prefix means nothing.
func replaceElements(prefix, with string) func(string) string {
	prefix, with = strings.TrimSuffix(prefix, "/"), strings.TrimSuffix(with, "/")
	return func(path string) string {
		path = with + strings.TrimPrefix(path, prefix)
		if !strings.HasPrefix(path, "/") {
			return "/" + path
		}
		return path
	}
}

func replaceAll(with string) func(string) string { return func(string) string { return with } }

func replaceRegex(re *regexp.Regexp, with string) func(string) string {
	return func(path string) string { return re.ReplaceAllString(path, with) }
}

// redirect answers with another location; an empty part keeps the request's.
type redirect struct {
	scheme, host string
	port         int
	path         func(string) string
	code         int
}
