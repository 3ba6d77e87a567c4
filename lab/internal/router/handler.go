package router

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// ServeHTTP answers one request: as the rules for its host say, or as itself
// when it is asked for by its own address.
func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.requests.Add(1)
	defer r.requests.Done()
	if req.Method == http.MethodConnect {
		r.connect(w, req)
		return
	}
	snapshot := r.snapshot.Load()
	host, problem := snapshot.lookup(req.Host, r.port)
	if host == nil {
		if r.isOwn(req.Host) {
			r.serveOwn(w, req, snapshot)
			return
		}
		x := r.exchange(req)
		defer x.finish()
		x.target = snapshot.unrouted
		x.refuse(w, http.StatusNotFound, "NR", "canary-lab router: "+problem)
		return
	}
	x := r.exchange(req)
	defer x.finish()
	x.serve(w, host)
}

// lookup finds the rules for a Host header, or says why there are none.
func (s *snapshot) lookup(host, ownPort string) (*virtualHost, string) {
	if h := s.hosts[host]; h != nil { // as most clients write it
		return h, ""
	}
	host = strings.ToLower(host)
	name, port := hostname(host), ""
	if len(name) < len(host) {
		port = strings.TrimPrefix(host[len(name):], ":")
	}
	name = strings.TrimSuffix(name, ".")
	if port == "" || port == ownPort { // curl --resolve NAME:PORT:127.0.0.1
		if h := s.hosts[name]; h != nil {
			return h, ""
		}
	}
	if h := s.hosts[net.JoinHostPort(name, port)]; h != nil {
		return h, ""
	}
	if h := s.pod(name, port); h != nil {
		return h, ""
	}
	if h := s.hosts[name]; h != nil {
		if !h.anyPort {
			return nil, fmt.Sprintf("%s has no port %s; see kubectl get service -A", name, port)
		}
		return h, ""
	}
	for _, w := range s.wildcards {
		if strings.HasSuffix(name, w.suffix) {
			return w.host, ""
		}
	}
	return nil, fmt.Sprintf("no Service, VirtualService, HTTPRoute or Ingress for host %q; known hosts: %s", name, s.known)
}

// pod passes a request for a Pod's own address on to it, as a mesh does.
func (s *snapshot) pod(name, port string) *virtualHost {
	address, err := netip.ParseAddr(name)
	if err != nil {
		return nil
	}
	target := s.pods[address]
	if target == nil {
		return nil
	}
	if port == "" {
		port = "80"
	}
	to := &cluster{name: "PassthroughCluster", nowhere: target, load: &s.passthrough,
		endpoints: []*endpoint{{address: net.JoinHostPort(name, port), target: target, unanswered: target}}}
	direct := &rule{}
	direct.split.add(destination{weight: 1, cluster: to})
	return &virtualHost{rules: []*rule{direct}, nowhere: target}
}

// hostname is the host without its port; an IPv6 address loses its brackets.
func hostname(host string) string {
	if strings.HasPrefix(host, "[") || strings.LastIndexByte(host, ':') >= 0 {
		if name, _, err := net.SplitHostPort(host); err == nil {
			return name
		}
	}
	return host
}

func (r *Router) isOwn(host string) bool {
	name, port, err := net.SplitHostPort(host)
	return err == nil && port == r.port && (name == "localhost" || name == "127.0.0.1")
}

// serveOwn answers requests to the router itself.
func (r *Router) serveOwn(w http.ResponseWriter, req *http.Request, s *snapshot) {
	switch req.URL.Path {
	case "/stats/prometheus":
		r.Metrics().ServeHTTP(w, req)
	case "/ready":
		fmt.Fprintln(w, "LIVE")
	default:
		code := http.StatusNotFound
		if req.URL.Path == "/" {
			code = http.StatusOK
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(code)
		fmt.Fprintf(w, "This is the canary-lab router. It answers for these hosts: %s\n\n", s.known)
		fmt.Fprintf(w, "    curl -H 'Host: HOST' http://%s/\n    curl -x http://%s http://HOST/\n\n", req.Host, req.Host)
		fmt.Fprintln(w, "Its metrics are under /stats/prometheus. What it does not honour:")
		problems := r.Status()
		for _, p := range problems {
			fmt.Fprintln(w, "  -", p)
		}
		if len(problems) == 0 {
			fmt.Fprintln(w, "  nothing in the present routes")
		}
	}
}
