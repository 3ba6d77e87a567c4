package prometheus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// Options say how to talk to a Prometheus, or to what answers like one: Thanos,
// Mimir, VictoriaMetrics. The zero value is a plain server.
type Options struct {
	// Headers are sent along with every query.
	Headers http.Header
	// Tenant is sent as X-Scope-OrgID, the header of Mimir and Cortex.
	Tenant string
	// Username and PasswordFile make basic authentication; BearerTokenFile a
	// token. Files are read for each query, because tokens in Pods rotate.
	Username, PasswordFile, BearerTokenFile string
	// CAFile trusts another authority than the system's; CertFile and KeyFile are
	// the client's certificate; ServerName overrides the name to be proved.
	CAFile, CertFile, KeyFile, ServerName string
	// InsecureSkipVerify believes any certificate.
	InsecureSkipVerify bool
}

// plain reports whether there is nothing to add to a request.
func (o Options) plain() bool {
	return len(o.Headers) == 0 && o.Tenant == "" && o.Username == "" && o.PasswordFile == "" && o.BearerTokenFile == "" && !o.secured()
}

// secured reports whether anything is said about certificates.
func (o Options) secured() bool {
	return o.CAFile != "" || o.CertFile != "" || o.KeyFile != "" || o.ServerName != "" || o.InsecureSkipVerify
}

// validate finds what contradicts itself or cannot be read, before anything is
// sent.
func (o Options) validate() error {
	switch {
	case o.Username != "" && o.BearerTokenFile != "":
		return errors.New("a Prometheus takes either basic authentication or a bearer token, not both")
	case o.Headers.Get("Authorization") != "" && (o.Username != "" || o.BearerTokenFile != ""):
		return errors.New("a header Authorization says who asks, and so does a user or a bearer token; name one")
	case o.Headers.Get("X-Scope-OrgID") != "" && o.Tenant != "":
		return errors.New("a header X-Scope-OrgID names the tenant, and so does the tenant; name one")
	case o.PasswordFile != "" && o.Username == "":
		return errors.New("a password for Prometheus needs its user")
	case (o.CertFile == "") != (o.KeyFile == ""):
		return errors.New("a client's certificate for Prometheus needs its key, and a key its certificate")
	}
	for _, path := range []string{o.PasswordFile, o.BearerTokenFile} {
		if _, err := secret(path); err != nil {
			return err
		}
	}
	return nil
}

// Client makes the HTTP client for the options.
func (o Options) Client() (*http.Client, error) {
	if o.plain() {
		return http.DefaultClient, nil
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	config, err := o.tls()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config
	return &http.Client{
		Transport: &authenticated{next: transport, options: o},
		// A redirect would carry the credentials to wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

func (o Options) tls() (*tls.Config, error) {
	config := &tls.Config{
		ServerName:         o.ServerName,
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: o.InsecureSkipVerify, //nolint:gosec // only where a person asked for it
	}
	if o.CAFile != "" {
		text, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("certificate authority of Prometheus: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("certificate authority of Prometheus: %s holds no certificate in PEM form", o.CAFile)
		}
	}
	if o.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("client's certificate for Prometheus: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// authenticated adds what the options ask for to each request.
type authenticated struct {
	next    http.RoundTripper
	options Options
}

func (a *authenticated) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, values := range a.options.Headers {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	if host := a.options.Headers.Get("Host"); host != "" {
		r.Host = host // which net/http does not take from the headers
	}
	if a.options.Tenant != "" {
		r.Header.Set("X-Scope-OrgID", a.options.Tenant)
	}
	switch {
	case a.options.BearerTokenFile != "":
		token, err := secret(a.options.BearerTokenFile)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+token)
	case a.options.Username != "":
		password, err := secret(a.options.PasswordFile)
		if err != nil {
			return nil, err
		}
		r.SetBasicAuth(a.options.Username, password)
	}
	return a.next.RoundTrip(r)
}

// secret reads a file; none is an empty password.
func secret(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("credentials for Prometheus: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
