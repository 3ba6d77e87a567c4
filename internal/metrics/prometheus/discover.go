package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"k8s.io/client-go/rest"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/metrics"
)

// Named returns the server at a URL that a person gave. The options, with all
// credentials in them, are for that server alone.
func Named(given string, o Options) (*Server, error) {
	base, err := url.Parse(given)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("%q is not the URL of a Prometheus: want http://host:port", withoutUser(given))
	}
	if base.Scheme == "http" && o.secured() {
		return nil, errors.New("certificates go with https://, and the URL says http://")
	}
	if base.User != nil && (o.Username != "" || o.BearerTokenFile != "") {
		return nil, errors.New("there is a user in the URL and another beside it; name one")
	}
	client, err := o.Client()
	if err != nil {
		return nil, err
	}
	return At(base, client), nil
}

// withoutUser cuts what may be a password from what may be a URL.
func withoutUser(given string) string {
	scheme, rest, ok := strings.Cut(given, "://")
	if !ok {
		scheme, rest = "", given
	} else {
		scheme += "://"
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = "..." + rest[at:]
	}
	return scheme + rest
}

// Find returns the servers that may know a cluster's figures, best first, and
// sends no request: the lab's, then the Services that kube-prometheus-stack (as
// release "kps"), the Prometheus operator and Istio's samples create, through the
// API server.
func Find(client *kube.Client) []*Server {
	return []*Server{
		lab(client),
		service(client, "monitoring", "kps-kube-prometheus-stack-prometheus"),
		service(client, "monitoring", "prometheus-operated"),
		service(client, "istio-system", "prometheus"),
	}
}

func lab(client *kube.Client) *Server {
	return &Server{
		name: "the lab's Prometheus",
		http: http.DefaultClient,
		base: func(ctx context.Context) (*url.URL, error) {
			where, err := kube.LabURL(ctx, client, kube.LabPrometheus)
			if errors.Is(err, kube.ErrNoLab) {
				return nil, fmt.Errorf("%w: %w", metrics.ErrAbsent, err)
			}
			return where, err
		},
	}
}

// service goes through the API server's proxy, so that a person's permissions
// decide and no port-forward has to be kept open.
func service(client *kube.Client, namespace, name string) *Server {
	return &Server{
		name: fmt.Sprintf("Prometheus %s/%s", namespace, name),
		http: client.HTTP,
		base: func(context.Context) (*url.URL, error) {
			server, _, err := rest.DefaultServerUrlFor(client.REST)
			if err != nil {
				return nil, fmt.Errorf("address of the API server: %w", err)
			}
			return server.JoinPath("api/v1/namespaces", namespace, "services", "http:"+name+":9090", "proxy"), nil
		},
	}
}
