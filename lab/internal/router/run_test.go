package router

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/canaryctl/canaryctl/lab/internal/watch/watchtest"
)

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// apiVersions completes the objects of the other tests for a real list.
func apiVersions(text string) string {
	versions := map[string]string{
		"Service": "v1", "Pod": "v1", "EndpointSlice": "discovery.k8s.io/v1", "Ingress": "networking.k8s.io/v1",
		"DestinationRule": "networking.istio.io/v1", "VirtualService": "networking.istio.io/v1", "HTTPRoute": "gateway.networking.k8s.io/v1",
	}
	for kind, version := range versions {
		text = strings.ReplaceAll(text, "kind: "+kind+"\n", "kind: "+kind+"\napiVersion: "+version+"\n")
	}
	return text
}

// TestRun follows an API server, with CRDs that appear late, and leaves nothing
// behind.
func TestRun(t *testing.T) {
	defer goleak.VerifyNone(t)
	t.Run("run", func(t *testing.T) {
		api := watchtest.New(t, "/api/v1/services Service", "/api/v1/pods Pod",
			"/apis/discovery.k8s.io/v1/endpointslices EndpointSlice", "/apis/networking.k8s.io/v1/ingresses Ingress")
		objects, rule, _ := strings.Cut(apiVersions(web), "\n---\nkind: DestinationRule")
		rule = "kind: DestinationRule" + rule
		api.Put(objects)

		pod := httptest.NewServer(echo("pod"))
		defer pod.Close()
		r, err := New(Config{Kube: api.Config(), DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, pod.Listener.Addr().String())
		}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		<-r.Ready()

		client := &http.Client{Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		if err := askWeb(client, r.URL()); err != nil {
			t.Errorf("a plain Service: %v", err)
		}
		api.Serve("/apis/networking.istio.io/v1/virtualservices VirtualService")
		api.Serve("/apis/networking.istio.io/v1/destinationrules DestinationRule")
		api.Put(apiVersions(virtualService("  - directResponse: {status: 418}\n")))
		waitFor(t, func() bool { return askWeb(client, r.URL()) != nil })
		api.Put(apiVersions(weights(50, 50)))
		api.Put(rule)
		waitFor(t, func() bool { return askWeb(client, r.URL()) == nil })

		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := askWeb(client, r.URL()); err == nil {
			t.Error("the port is still open after Run")
		}
	})
}
