// Package watchtest is an API server for tests: it keeps objects in memory and
// serves list and watch over HTTP, which is all that package watch asks for.
package watchtest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// Server serves the objects that were Put, and the resources that were Served.
type Server struct {
	t    testing.TB
	http *httptest.Server

	mu       sync.Mutex
	version  int
	served   map[string]string // collection path -> kind
	objects  map[string]map[string]any
	log      []event
	appended chan struct{} // closed and made anew with each event
}

type event struct {
	version    int
	collection string
	Type       string `json:"type"`
	Object     any    `json:"object"`
}

// New starts a server that ends with the test. It serves the given collections,
// each written as "PATH KIND", such as "/api/v1/pods Pod".
func New(t testing.TB, collections ...string) *Server {
	s := &Server{t: t, served: map[string]string{}, objects: map[string]map[string]any{}, appended: make(chan struct{})}
	for _, c := range collections {
		s.Serve(c)
	}
	s.http = httptest.NewServer(http.HandlerFunc(s.answer))
	t.Cleanup(func() {
		s.http.CloseClientConnections()
		s.http.Close()
	})
	return s
}

// Config is how a client reaches the server.
func (s *Server) Config() *rest.Config { return &rest.Config{Host: s.http.URL} }

// Serve adds a collection, as installing a CRD does.
func (s *Server) Serve(collection string) {
	path, kind, _ := strings.Cut(collection, " ")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served[path] = kind
}

// Put creates or replaces the objects of a YAML text.
func (s *Server) Put(text string) {
	s.t.Helper()
	for _, document := range strings.Split(text, "\n---\n") {
		u := s.parse(document)
		s.mu.Lock()
		collection, id := s.locate(u)
		s.version++
		u.SetResourceVersion(strconv.Itoa(s.version))
		kind := "MODIFIED"
		if _, ok := s.objects[collection][id]; !ok {
			kind = "ADDED"
		}
		if s.objects[collection] == nil {
			s.objects[collection] = map[string]any{}
		}
		s.objects[collection][id] = u.Object
		s.append(event{s.version, collection, kind, u.Object})
		s.mu.Unlock()
	}
}

// Delete removes the objects of a YAML text.
func (s *Server) Delete(text string) {
	s.t.Helper()
	for _, document := range strings.Split(text, "\n---\n") {
		u := s.parse(document)
		s.mu.Lock()
		collection, id := s.locate(u)
		s.version++
		delete(s.objects[collection], id)
		u.SetResourceVersion(strconv.Itoa(s.version))
		s.append(event{s.version, collection, "DELETED", u.Object})
		s.mu.Unlock()
	}
}

func (s *Server) parse(document string) *unstructured.Unstructured {
	s.t.Helper()
	object := map[string]any{}
	if err := yaml.Unmarshal([]byte(document), &object); err != nil {
		s.t.Fatalf("parse %q: %v", document, err)
	}
	return &unstructured.Unstructured{Object: object}
}

func (s *Server) locate(u *unstructured.Unstructured) (collection, id string) {
	s.t.Helper()
	prefix := "/apis/" + u.GetAPIVersion() + "/"
	if u.GetAPIVersion() == "v1" {
		prefix = "/api/v1/"
	}
	for path, kind := range s.served {
		if kind == u.GetKind() && strings.HasPrefix(path, prefix) {
			return path, u.GetNamespace() + "/" + u.GetName()
		}
	}
	s.t.Fatalf("no collection for %s %s", u.GetAPIVersion(), u.GetKind())
	return "", ""
}

func (s *Server) append(e event) {
	s.log = append(s.log, e)
	close(s.appended)
	s.appended = make(chan struct{})
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	kind, ok := s.served[r.URL.Path]
	s.mu.Unlock()
	query := r.URL.Query()
	switch {
	case !ok:
		status(w, http.StatusNotFound, "NotFound")
	case query.Get("sendInitialEvents") == "true": // the client then lists
		status(w, http.StatusUnprocessableEntity, "Invalid")
	case query.Get("watch") == "true":
		s.watch(w, r)
	default:
		s.list(w, r.URL.Path, kind)
	}
}

func status(w http.ResponseWriter, code int, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code,
	})
}

func (s *Server) list(w http.ResponseWriter, path, kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := []any{}
	for _, object := range s.objects[path] {
		items = append(items, object)
	}
	version := strings.TrimPrefix(strings.TrimPrefix(path[:strings.LastIndex(path, "/")], "/apis/"), "/api/")
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": kind + "List", "apiVersion": version, "items": items,
		"metadata": map[string]any{"resourceVersion": strconv.Itoa(s.version)},
	})
}

func (s *Server) watch(w http.ResponseWriter, r *http.Request) {
	since, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	encoder, flush := json.NewEncoder(w), http.NewResponseController(w)
	for {
		s.mu.Lock()
		var due []event
		for _, e := range s.log {
			if e.version > since && e.collection == r.URL.Path {
				due = append(due, e)
			}
		}
		appended := s.appended
		since = s.version
		s.mu.Unlock()
		for _, e := range due {
			if encoder.Encode(e) != nil {
				return
			}
		}
		if flush.Flush() != nil {
			return
		}
		select {
		case <-appended:
		case <-r.Context().Done():
			return
		}
	}
}
