package controlplane

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 365 * 24 * time.Hour
	// backdate forgives a clock that was set back a little.
	backdate = time.Hour
)

// pair is a certificate with its key.
type pair struct {
	cert    *x509.Certificate
	key     crypto.Signer
	certPEM []byte
	keyPEM  []byte
}

// keys are all of a lab. The authority is kept between runs, so that a kubeconfig somebody
// copied stays good; what it signs is made anew at every start, so that nothing expires.
type keys struct {
	ca, apiServer, node                          *pair // servers, and who vouches for them
	admin, lab, controllerManager, kubeletClient *pair // clients
}

const administrators = "system:masters"

func issueKeys(at layout, node net.IP, now time.Time) (*keys, error) {
	ca, err := loadOrMakeAuthority(at, now)
	if err != nil {
		return nil, err
	}
	k := &keys{ca: ca}
	for _, leaf := range []struct {
		into **pair
		file string // "" for what only this process uses
		x509.Certificate
	}{
		{&k.apiServer, "apiserver", server("kube-apiserver",
			[]string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
			net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1))},
		{&k.node, "", server("system:node:canary-lab", []string{"canary-lab"}, node)},
		{&k.admin, "", client("admin", administrators)},
		{&k.lab, "", client("canary-lab", administrators)},
		{&k.controllerManager, "", client("system:kube-controller-manager", administrators)},
		{&k.kubeletClient, "kubelet-client", client(kubeletClientName, "")},
	} {
		if *leaf.into, err = ca.sign(leaf.Certificate, now); err != nil {
			return nil, fmt.Errorf("issue the certificate of %s: %w", leaf.Subject.CommonName, err)
		}
		if leaf.file == "" {
			continue
		}
		if err := (*leaf.into).write(at, leaf.file); err != nil {
			return nil, err
		}
	}
	return k, ensureServiceAccountKey(at)
}

// kubeletClientName is whom the node lets in.
const kubeletClientName = "kube-apiserver-kubelet-client"

// nodeTLS is the configuration of the node's server.
func (k *keys) nodeTLS() (*tls.Config, error) {
	certificate, err := tls.X509KeyPair(k.node.certPEM, k.node.keyPEM)
	if err != nil {
		return nil, fmt.Errorf("load the node's certificate: %w", err)
	}
	callers := x509.NewCertPool()
	callers.AddCert(k.ca.cert)
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{certificate},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    callers,
		VerifyConnection: func(state tls.ConnectionState) error {
			if name := state.PeerCertificates[0].Subject.CommonName; name != kubeletClientName {
				return fmt.Errorf("%q may not use the node's server", name)
			}
			return nil
		},
	}, nil
}

func server(name string, hosts []string, addresses ...net.IP) x509.Certificate {
	return x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    hosts,
		IPAddresses: addresses,
	}
}

func client(name, group string) x509.Certificate {
	c := x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if group != "" {
		c.Subject.Organization = []string{group}
	}
	return c
}

// sign issues a leaf certificate; a pair without a certificate signs itself, as an authority.
func (p *pair) sign(template x509.Certificate, now time.Time) (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.NotBefore, template.NotAfter = now.Add(-backdate), now.Add(leafLife)
	template.KeyUsage |= x509.KeyUsageDigitalSignature
	parent, signer := p.cert, p.key
	if parent == nil {
		template.NotAfter = now.Add(authorityLife)
		parent, signer = &template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &pair{cert: cert, key: key, certPEM: encode("CERTIFICATE", der), keyPEM: encode("PRIVATE KEY", keyDER)}, nil
}

func (p *pair) write(at layout, name string) error {
	return errors.Join(
		writeSecret(at.pki(name+".crt"), p.certPEM),
		writeSecret(at.pki(name+".key"), p.keyPEM),
	)
}

// loadOrMakeAuthority reads the authority of an earlier run, unless it is about to expire.
func loadOrMakeAuthority(at layout, now time.Time) (*pair, error) {
	certPEM, certErr := os.ReadFile(at.pki("ca.crt"))
	keyPEM, keyErr := os.ReadFile(at.pki("ca.key"))
	switch err := errors.Join(certErr, keyErr); {
	case errors.Is(err, fs.ErrNotExist):
		return makeAuthority(at, now)
	case err != nil:
		return nil, fmt.Errorf("read the lab's certificate authority: %w", err)
	}
	loaded, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("read the lab's certificate authority in %s: %w (canary-lab up --reset makes a new one)", at.pki(""), err)
	}
	if now.Add(leafLife).After(loaded.Leaf.NotAfter) {
		return makeAuthority(at, now)
	}
	return &pair{cert: loaded.Leaf, key: loaded.PrivateKey.(crypto.Signer), certPEM: certPEM, keyPEM: keyPEM}, nil
}

func makeAuthority(at layout, now time.Time) (*pair, error) {
	ca, err := (&pair{}).sign(x509.Certificate{
		Subject:               pkix.Name{CommonName: "canary-lab"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}, now)
	if err != nil {
		return nil, fmt.Errorf("make a certificate authority: %w", err)
	}
	return ca, ca.write(at, "ca")
}

// ensureServiceAccountKey keeps the key that signs service account tokens: Pods of
// an earlier run still hold such tokens.
func ensureServiceAccountKey(at layout) error {
	if _, err := os.Stat(at.pki("sa.pub")); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the service account key: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("make the service account key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("make the service account key: %w", err)
	}
	if err := writeSecret(at.pki("sa.key"), encode("PRIVATE KEY", private)); err != nil {
		return err
	}
	return writeSecret(at.pki("sa.pub"), encode("PUBLIC KEY", public)) // last: its presence says that both are there
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func writeSecret(path string, data []byte) error {
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("write the lab's keys: %w", err)
	}
	return nil
}
