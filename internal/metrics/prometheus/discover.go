package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"k8s.io/client-go/rest"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/metrics"
)

// Discover returns the servers that may know a cluster's figures, best first,
// and sends no request. A URL that a person gave is the only one; else it is
// the lab's, then the Services that kube-prometheus-stack (as release "kps"),
// the Prometheus operator and Istio's samples create, through the API server.
func Discover(client *kube.Client, given string) ([]metrics.Source, error) {
	servers, err := Servers(client, given, http.DefaultClient)
	sources := make([]metrics.Source, len(servers))
	for i, s := range servers {
		sources[i] = s
	}
	return sources, err
}

// Servers is Discover for those who watch. Options.Client makes the HTTP client
// for a URL that a person gave; credentials for that are sent nowhere else.
func Servers(client *kube.Client, given string, with *http.Client) ([]*Server, error) {
	if given != "" {
		base, err := url.Parse(given)
		if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
			return nil, fmt.Errorf("%q is not the URL of a Prometheus: want http://host:port", given)
		}
		return []*Server{At(base, with)}, nil
	}
	return []*Server{
		lab(client),
		service(client, "monitoring", "kps-kube-prometheus-stack-prometheus"),
		service(client, "monitoring", "prometheus-operated"),
		service(client, "istio-system", "prometheus"),
	}, nil
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
