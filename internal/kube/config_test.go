package kube_test

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

func kubeconfig(t *testing.T, server string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	text := `{"apiVersion":"v1","kind":"Config","current-context":"a",
"clusters":[{"name":"c","cluster":{"server":"` + server + `"}}],"users":[{"name":"u","user":{}}],
"contexts":[{"name":"a","context":{"cluster":"c","user":"u","namespace":"shop"}},{"name":"b","context":{"cluster":"c","user":"u"}}]}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNamespace(t *testing.T) {
	path := kubeconfig(t, "http://127.0.0.1:1")
	for _, test := range []struct{ context, flag, want string }{
		{"", "", "shop"}, {"b", "", "default"}, {"", "other", "other"}, {"b", "other", "other"},
	} {
		client, err := kube.Connect(kube.Config{Kubeconfig: path, Context: test.context, Namespace: test.flag})
		if err != nil {
			t.Fatal(err)
		}
		if client.Namespace != test.want {
			t.Errorf("context %q, -n %q: namespace %q, want %q", test.context, test.flag, client.Namespace, test.want)
		}
	}
	_, err := kube.Connect(kube.Config{Kubeconfig: path, Context: "nowhere"})
	if err == nil || !strings.Contains(hint.Of(err), "kubectl config get-contexts") {
		t.Errorf("an unknown context: %v, hint %q", err, hint.Of(err))
	}
}

// What is asked for in the API server's name: who asks, as whom, and what it
// warns of.
func TestHeaders(t *testing.T) {
	var got http.Header
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		w.Header().Set("Warning", `299 - "the API is old"`)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"apiVersion":"v1","kind":"Service","metadata":{"name":"x"}}`))
	}))
	defer s.Close()
	var warnings bytes.Buffer
	client, err := kube.Connect(kube.Config{
		Kubeconfig: kubeconfig(t, s.URL), As: "jane", AsGroups: []string{"dev"}, UserAgent: "canaryctl/1", Warnings: &warnings,
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := client.Resource(kube.Services()).Namespace("shop").Get(t.Context(), "x", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if got.Get("User-Agent") != "canaryctl/1" || got.Get("Impersonate-User") != "jane" || got.Get("Impersonate-Group") != "dev" {
		t.Errorf("headers %v", got)
	}
	if n := strings.Count(warnings.String(), "the API is old"); n != 1 {
		t.Errorf("the warning was shown %d times, want once:\n%s", n, warnings.String())
	}
}

// A server that is silent is given up in time; a watch may be silent for long.
func TestPatience(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") != "" {
			w.Header().Set("Content-Type", "application/json")
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	defer close(release)
	const patience = 50 * time.Millisecond
	client, err := kube.Connect(kube.Config{Kubeconfig: kubeconfig(t, s.URL), RequestTimeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	services := client.Resource(kube.Services()).Namespace("shop")
	if _, err := services.Get(t.Context(), "x", metav1.GetOptions{}); err == nil || !strings.Contains(err.Error(), "no answer within 50ms (--request-timeout)") {
		t.Errorf("a silent server: %v", err)
	}
	watch, err := services.Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	select {
	case e, open := <-watch.ResultChan():
		t.Errorf("the watch ended (open %t) with %v", open, e)
	case <-time.After(3 * patience): // longer than any other request may take
	}
}

func TestHint(t *testing.T) {
	refuse := func(err error) func(*kubetest.Server) {
		return func(s *kubetest.Server) { s.Fail(func(kubetest.Request) error { return err }) }
	}
	for _, test := range []struct {
		name    string
		prepare func(*kubetest.Server)
		want    string
	}{
		{"RBAC", func(s *kubetest.Server) { s.Forbid("get", "services") }, `grant the verb "get" on services in namespace shop`},
		{"admission", refuse(apierrors.NewForbidden(kube.Services().GroupResource(), "x", errors.New("exceeded quota"))), "an admission policy refused it"},
		{"credentials", refuse(apierrors.NewUnauthorized("who are you?")), "log in again"},
		{"overload", refuse(apierrors.NewServiceUnavailable("busy")), "overloaded"},
		{"cut", func(s *kubetest.Server) { s.CutAfter(0, false) }, "is the cluster up"},
		{"nothing to add", func(*kubetest.Server) {}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := kubetest.New(t)
			test.prepare(s)
			client, err := kube.Connect(kube.Config{Kubeconfig: kubeconfig(t, s.URL())})
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Resource(kube.Services()).Namespace("shop").Get(t.Context(), "x", metav1.GetOptions{})
			if got := kube.Hint(err); test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("for %v the hint is %q, want %q", err, got, test.want)
			}
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		l.Close()
		client, err := kube.Connect(kube.Config{Kubeconfig: kubeconfig(t, "http://"+address)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Resource(kube.Services()).Namespace("shop").Get(t.Context(), "x", metav1.GetOptions{})
		if got := kube.Hint(err); !strings.Contains(got, "nothing answers on "+address) {
			t.Errorf("for %v the hint is %q", err, got)
		}
	})
}
