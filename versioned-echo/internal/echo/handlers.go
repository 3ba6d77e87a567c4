package echo

import (
	"encoding/json"
	"net/http"
	"strings"
)

// handler wires the routes. Any path that is not one of ours is echoed as "/"
// is, so that route rules on paths can be tried, but counted as "other".
func (s *Server) handler() http.Handler {
	fail := func(w http.ResponseWriter, status int) { s.writeError(w, status, "injected fault") }
	user := func(route string, h http.HandlerFunc) http.Handler {
		return s.meter.count(route, s.faults.wrap(h, fail))
	}
	mux := http.NewServeMux()
	mux.Handle("/version", user("/version", s.readOnly(s.version)))
	mux.Handle("/ws", user("/ws", s.websocket))
	mux.Handle("/{$}", user("/", s.echo))
	mux.Handle("/", user("other", s.echo))
	mux.HandleFunc("/health", s.readOnly(s.health))
	mux.Handle("/metrics", s.meter.handler())
	mux.HandleFunc("/faults", s.editFaults)
	return s.named(s.whileDraining(s.logged(splitGRPC(s.calls(), mux))))
}

// versionHeader names the version beside the body, for answers that have none
// or only half of one. It is gRPC's metadata x-app-version, too.
const versionHeader = "X-App-Version"

func (s *Server) named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(versionHeader, s.cfg.Version)
		next.ServeHTTP(w, r)
	})
}

// version answers exactly {"version":"v1"} and a newline, so that answers that
// a shell loop prints stand on lines of their own. A version needs no escaping:
// Validate saw to that.
func (s *Server) version(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(`{"version":"` + s.cfg.Version + `"}` + "\n"))
}

// health is readiness and liveness at once.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	status, ok := s.state()
	code := http.StatusOK
	if !ok {
		code = http.StatusServiceUnavailable
	}
	writeJSON(w, code, map[string]string{"status": status, "version": s.cfg.Version})
}

// state is the word for how the service is, and whether that is well.
func (s *Server) state() (status string, ok bool) {
	switch {
	case s.draining.Load():
		return "draining", false
	case s.faults.get().Unhealthy:
		return "unhealthy", false
	}
	return "ok", true
}

// logged writes one debug line per request.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.log.DebugContext(r.Context(), "request", "method", r.Method, "path", r.URL.Path, "host", r.Host, "from", r.RemoteAddr)
		next.ServeHTTP(w, r)
	})
}

// readOnly refuses methods that would pretend to change something.
func (s *Server) readOnly(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.allow(w, r, http.MethodGet, http.MethodHead) {
			return
		}
		next(w, r)
	}
}

// allow answers 405 with the list of methods, and reports whether r's is one.
func (s *Server) allow(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	for _, m := range methods {
		if r.Method == m {
			return true
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	s.writeError(w, http.StatusMethodNotAllowed, r.Method+" is not allowed on "+r.URL.Path)
	return false
}

// writeError names the version as a good answer does: whoever counts errors
// wants to know whose they are.
func (s *Server) writeError(w http.ResponseWriter, code int, message string) {
	writeJSON(w, code, map[string]string{"error": message, "version": s.cfg.Version})
}

// writeJSON ignores a failed write: the client is gone and nobody is left to
// tell.
func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}
