package prometheus

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOptionsAreSent(t *testing.T) {
	var got http.Header
	s := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		got.Set("X-Host", r.Host)
	}))
	defer s.Close()
	authority := file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))

	for name, test := range map[string]struct {
		options Options
		want    map[string]string
	}{
		"headers, tenant": {Options{CAFile: authority, Headers: http.Header{"x-team": {"shop"}}, Tenant: "a|b"},
			map[string]string{"X-Team": "shop", "X-Scope-Orgid": "a|b", "Authorization": ""}},
		"token":                {Options{CAFile: authority, BearerTokenFile: file(t, "s3cret\n")}, map[string]string{"Authorization": "Bearer s3cret"}},
		"basic authentication": {Options{CAFile: authority, Username: "u", PasswordFile: file(t, "p")}, map[string]string{"Authorization": "Basic dTpw"}},
		"a name of its own":    {Options{CAFile: authority, Headers: http.Header{"Host": {"prom.example"}}}, map[string]string{"X-Host": "prom.example"}},
		"any certificate":      {Options{InsecureSkipVerify: true}, map[string]string{"Authorization": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := test.options.Client()
			if err != nil {
				t.Fatal(err)
			}
			defer client.CloseIdleConnections()
			response, err := client.Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			seen := map[string]string{}
			for name := range test.want {
				seen[name] = got.Get(name)
			}
			if diff := cmp.Diff(test.want, seen); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}

	client, err := Options{Tenant: "a"}.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	if response, err := client.Get(s.URL); err == nil {
		response.Body.Close()
		t.Error("a server of an unknown authority was believed")
	}
}

func TestTokensRotate(t *testing.T) {
	var got string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") }))
	defer s.Close()
	path := file(t, "old")
	client, err := Options{BearerTokenFile: path}.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	for _, token := range []string{"old", "new"} {
		if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		response, err := client.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got != "Bearer "+token {
			t.Errorf("sent %q, want the token of now, %s", got, token)
		}
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	for want, o := range map[string]Options{
		"not both":                {Username: "u", BearerTokenFile: "t"},
		"needs its key":           {CertFile: "c"},
		"needs its user":          {PasswordFile: "p"},
		"Authorization":           {Headers: http.Header{"Authorization": {"s3cret"}}, BearerTokenFile: "t"},
		"X-Scope-OrgID":           {Headers: http.Header{"X-Scope-Orgid": {"a"}}, Tenant: "b"},
		"open /nonexistent/token": {BearerTokenFile: "/nonexistent/token"},
		"no such file":            {CAFile: "/nonexistent/ca"},
		"no certificate":          {CAFile: file(t, "x")},
	} {
		if _, err := o.Client(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}

// A redirect may lead anywhere, and would take the token along.
func TestCredentialsDoNotFollowRedirects(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the other server was asked, with %v", r.Header)
	}))
	defer other.Close()
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	server, err := Named(s.URL, Options{BearerTokenFile: file(t, "s3cret")})
	if err != nil {
		t.Fatal(err)
	}
	defer server.http.CloseIdleConnections()
	if _, err := server.Sum(t.Context(), "up", "job"); err == nil || !strings.Contains(err.Error(), "answered 307") {
		t.Errorf("error %v, want that it answered with a redirect", err)
	}
}

// A secret that no header can hold is not shown.
func TestSecretsAreNotShown(t *testing.T) {
	server, err := Named("http://127.0.0.1:1", Options{BearerTokenFile: file(t, "s3\ncret")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Sum(t.Context(), "up", "job"); err == nil || strings.Contains(err.Error(), "cret") {
		t.Errorf("error %v", err)
	}
}
