// Package kubetest is a small Kubernetes API server for tests: it stores
// objects as they come, answers as a real one does where a client can tell the
// difference (conflicts, dry runs, JSON patches with tests, selectors, watches),
// remembers every request, and fails when it is asked to.
package kubetest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Server is the API server. It listens on the loopback interface from Start to
// Close and has one namespace, "default".
type Server struct {
	http     *http.Server
	listener net.Listener
	done     chan struct{} // closed when the listener has stopped serving
	store    *store

	mu       sync.Mutex
	requests []Request
	faults   []Fault
	cut      cut
	rules    []rbacv1.PolicyRule // nil allows everything
	hooks    []func(Event)
	onWatch  []func(Request)
	watches  chan struct{} // closed and replaced to end those that are open
}

// Start serves until Close.
func Start() (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the test API server: %w", err)
	}
	s := &Server{listener: l, done: make(chan struct{}), store: newStore(), cut: neverCut(), watches: make(chan struct{})}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l) // always ErrServerClosed, from Close
	}()
	return s, s.Load(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"default"}}`)
}

// TB is what New needs of a test.
type TB interface {
	Helper()
	Fatal(args ...any)
	Cleanup(f func())
}

// New starts a server for the length of a test, holding the objects of the
// given YAML documents.
func New(t TB, documents ...string) *Server {
	t.Helper()
	s, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.Load(documents...); err != nil {
		t.Fatal(err)
	}
	return s
}

// Close stops the server, open watches included, and waits for it.
func (s *Server) Close() {
	s.store.close()
	_ = s.http.Close()
	<-s.done
}

// URL is where the server answers.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Config is a client configuration for the server.
func (s *Server) Config() *rest.Config { return &rest.Config{Host: s.URL(), QPS: -1} }

// Kubeconfig is the same as a file's content. Its one context is "test".
func (s *Server) Kubeconfig() ([]byte, error) {
	c := clientcmdapi.NewConfig()
	c.Clusters["test"] = &clientcmdapi.Cluster{Server: s.URL()}
	c.AuthInfos["test"] = &clientcmdapi.AuthInfo{}
	c.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test"}
	c.CurrentContext = "test"
	return clientcmd.Write(*c)
}

// Request is one request as the server saw it.
type Request struct {
	Verb      string // get, list, watch, create, update, patch, delete
	Group     string
	Version   string
	Resource  string
	Namespace string
	Name      string
	// Subresource is what follows the name, "status" or "proxy/...".
	Subresource string
	Query       string
	Body        string
}

// String is short enough for a table of expected requests:
// "patch virtualservices/x".
func (r Request) String() string {
	name := r.Resource
	if r.Name != "" {
		name += "/" + r.Name
	}
	if r.Subresource != "" {
		name += "/" + r.Subresource
	}
	if r.dry() {
		name += " (dry run)"
	}
	return r.Verb + " " + name
}

// dry reports whether nothing is to be stored. A deletion says so in its body.
func (r Request) dry() bool {
	return strings.Contains(r.Query, "dryRun=All") || strings.Contains(r.Body, `"dryRun":["All"]`)
}

// Requests returns what was asked since the last ResetRequests, refused and cut
// requests included.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// ResetRequests forgets the requests so far.
func (s *Server) ResetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// OnWrite calls hook after every change in the store, with the server unlocked:
// the hook may Put and Delete in turn, as a controller would.
func (s *Server) OnWrite(hook func(Event)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = append(s.hooks, hook)
}

func (s *Server) notify(e Event) {
	if e.Type == "" {
		return // a dry run, or a write without effect
	}
	s.mu.Lock()
	hooks := append([]func(Event){}, s.hooks...)
	s.mu.Unlock()
	for _, hook := range hooks {
		hook(e)
	}
}

// WaitFor blocks until the condition holds, looking again after every change in
// the store.
func (s *Server) WaitFor(ctx context.Context, condition func() bool) error {
	for {
		changed := s.store.changed()
		if condition() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
