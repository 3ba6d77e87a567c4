// Package kube connects canaryctl to a Kubernetes API server. It knows the few
// resources that canaryctl touches by name, so that a command costs no request
// but its own, and turns what can go wrong there into a next step.
package kube

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/canaryctl/canaryctl/internal/hint"
)

// Config says which API server, as whom, and how patiently. The zero value of a
// field means what it means to kubectl: ask the kubeconfig.
type Config struct {
	Kubeconfig string
	Context    string
	Namespace  string
	As         string
	AsGroups   []string
	// RequestTimeout bounds every request that is not a watch; 0 is no bound.
	RequestTimeout time.Duration
	UserAgent      string
	// Warnings receives the warnings that the API server sends along; nil drops them.
	Warnings io.Writer
}

// Client is a connection to one API server.
type Client struct {
	dynamic.Interface
	// Namespace is the one to work in.
	Namespace string
	// REST is what the connection was made from, and HTTP what it is made with:
	// for raw paths such as a Service's proxy.
	REST *rest.Config
	HTTP *http.Client
}

// Connect reads the kubeconfig and prepares a client. It sends no request.
func Connect(c Config) (*Client, error) {
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(c.rules(), c.overrides())
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("read the kubeconfig: %w", err),
			"kubectl config get-contexts lists the contexts there are; KUBECONFIG, --kubeconfig and --context choose another")
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("read the namespace from the kubeconfig: %w", err)
	}
	return c.connect(config, namespace)
}

func (c Config) connect(config *rest.Config, namespace string) (*Client, error) {
	config.UserAgent = c.UserAgent
	// The client-side rate limit protects a server from controllers; a command
	// sends a handful of requests and leaves flow control to the server.
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	if c.Warnings != nil {
		config.WarningHandler = rest.NewWarningWriter(c.Warnings, rest.WarningWriterOptions{Deduplicate: true})
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &patience{next: next, timeout: c.RequestTimeout}
	})
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("prepare the connection to %s: %w", config.Host, err)
	}
	dyn, err := dynamic.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("prepare a client for %s: %w", config.Host, err)
	}
	return &Client{Interface: dyn, Namespace: namespace, REST: config, HTTP: client}, nil
}

func (c Config) rules() *clientcmd.ClientConfigLoadingRules {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.Kubeconfig
	return rules
}

func (c Config) overrides() *clientcmd.ConfigOverrides {
	o := &clientcmd.ConfigOverrides{CurrentContext: c.Context}
	o.Context.Namespace = c.Namespace
	o.AuthInfo.Impersonate = c.As
	o.AuthInfo.ImpersonateGroups = c.AsGroups
	return o
}
