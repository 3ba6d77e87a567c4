package controlplane

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

func issue(t *testing.T, at layout, now time.Time) *keys {
	t.Helper()
	if err := at.make(); err != nil {
		t.Fatal(err)
	}
	k, err := issueKeys(at, net.IPv4(10, 0, 0, 1), now)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestCertificatesServeTheirPurposeOnly(t *testing.T) {
	now := time.Now()
	k := issue(t, layout(t.TempDir()), now)
	roots := x509.NewCertPool()
	roots.AddCert(k.ca.cert)
	for _, tt := range []struct {
		name   string
		pair   *pair
		usage  x509.ExtKeyUsage
		host   string
		groups []string
	}{
		{"API server by address", k.apiServer, x509.ExtKeyUsageServerAuth, "127.0.0.1", nil},
		{"API server from a Pod", k.apiServer, x509.ExtKeyUsageServerAuth, "kubernetes.default.svc", nil},
		{"node", k.node, x509.ExtKeyUsageServerAuth, "10.0.0.1", nil},
		{"admin", k.admin, x509.ExtKeyUsageClientAuth, "", []string{administrators}},
		{"API server towards the node", k.kubeletClient, x509.ExtKeyUsageClientAuth, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			options := x509.VerifyOptions{Roots: roots, DNSName: tt.host, KeyUsages: []x509.ExtKeyUsage{tt.usage}, CurrentTime: now}
			if _, err := tt.pair.cert.Verify(options); err != nil {
				t.Error(err)
			}
			other := x509.ExtKeyUsageClientAuth
			if tt.usage == other {
				other = x509.ExtKeyUsageServerAuth
			}
			options.KeyUsages = []x509.ExtKeyUsage{other}
			if _, err := tt.pair.cert.Verify(options); err == nil {
				t.Error("it is also good for the other end of a connection")
			}
			if got := tt.pair.cert.Subject.Organization; len(got) != len(tt.groups) {
				t.Errorf("groups %v, want %v", got, tt.groups)
			}
		})
	}
}

func TestAuthorityIsKeptUntilItIsOld(t *testing.T) {
	at, now := layout(t.TempDir()), time.Now()
	first := issue(t, at, now)
	serviceAccounts, err := os.ReadFile(at.pki("sa.key"))
	if err != nil {
		t.Fatal(err)
	}
	again := issue(t, at, now.Add(24*time.Hour))
	if !again.ca.cert.Equal(first.ca.cert) {
		t.Error("a day later there is another authority: copied kubeconfigs are void")
	}
	if again.apiServer.cert.Equal(first.apiServer.cert) {
		t.Error("the server's certificate was not made anew")
	}
	late := issue(t, at, now.Add(authorityLife-time.Hour))
	if late.ca.cert.Equal(first.ca.cert) {
		t.Error("an authority that ends within the hour signs for a year")
	}
	if kept, err := os.ReadFile(at.pki("sa.key")); err != nil || string(kept) != string(serviceAccounts) {
		t.Errorf("the service account key changed (%v): tokens of an earlier run are void", err)
	}
}

func TestNodeServerBelievesOnlyTheAPIServer(t *testing.T) {
	k := issue(t, layout(t.TempDir()), time.Now())
	serverConfig, err := k.nodeTLS()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		client  *pair
		welcome bool
	}{
		{"the API server", k.kubeletClient, true},
		{"the admin, directly", k.admin, false},
		{"nobody", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := handshake(t, serverConfig, k.ca, tt.client)
			if (err == nil) != tt.welcome {
				t.Errorf("handshake: %v, want welcome: %t", err, tt.welcome)
			}
		})
	}
}

// handshake returns what the server says to a client with that certificate.
func handshake(t *testing.T, serverConfig *tls.Config, ca, client *pair) error {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	config := &tls.Config{RootCAs: roots, ServerName: "10.0.0.1"}
	if client != nil {
		certificate, err := tls.X509KeyPair(client.certPEM, client.keyPEM)
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	near, far := net.Pipe()
	done := make(chan error, 1)
	go func() {
		server := tls.Server(far, serverConfig)
		done <- server.Handshake()
		_ = far.Close()
	}()
	conn := tls.Client(near, config)
	_, err := io.Copy(io.Discard, conn) // shakes hands, and reads what the server has to say
	_ = near.Close()
	return errors.Join(<-done, err)
}

func TestDamagedAuthorityNamesTheRemedy(t *testing.T) {
	at := layout(t.TempDir())
	issue(t, at, time.Now())
	if err := os.WriteFile(at.pki("ca.key"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := issueKeys(at, net.IPv4(10, 0, 0, 1), time.Now())
	if err == nil || !strings.Contains(err.Error(), "canary-lab up --reset") {
		t.Errorf("with a damaged key: %v, want an error that names the remedy", err)
	}
}

func TestFreePortPrefersTheLast(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	number := taken.Addr().(*net.TCPAddr).Port
	if got, err := freePort(number); err != nil || got == number {
		t.Errorf("with %d taken: %d, %v", number, got, err)
	}
	_ = taken.Close()
	if got, err := freePort(number); err != nil || got != number {
		t.Errorf("with %d free: %d, %v", number, got, err)
	}
}
