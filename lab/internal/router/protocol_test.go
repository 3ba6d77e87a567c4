package router

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestProtocols is what a Pod is spoken to in, by what its port is declared to be
// and what the client speaks.
func TestProtocols(t *testing.T) {
	const (
		one = "HTTP/1.1"
		two = "HTTP/2.0"
	)
	tests := []struct {
		port          string
		first, second string // for a client that speaks HTTP/1.1, and HTTP/2
	}{
		{"{name: http, port: 80}", one, one},
		{"{name: http-web, port: 80}", one, one},
		{"{name: grpc, port: 80}", two, two},
		{"{name: http2-web, port: 80}", two, two},
		{"{name: web, port: 80}", one, two}, // nothing declared: whatever the client speaks
		{"{name: web, port: 80, appProtocol: kubernetes.io/h2c}", two, two},
		{"{name: grpc, port: 80, appProtocol: http}", one, one},
	}
	for _, test := range tests {
		t.Run(test.port, func(t *testing.T) {
			objects := strings.Replace(web, "{name: http, port: 80}", test.port, 1)
			name := strings.Trim(strings.Fields(test.port)[1], ",")
			objects = strings.Replace(objects, "ports: [{name: http, port: 8080}]", "ports: [{name: "+name+", port: 8080}]", 1)
			m := newMesh(t, objects, weights(0, 100))
			m.serve("10.244.0.3:8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
			url := m.front(t).URL
			for client, want := range map[string]string{one: test.first, two: test.second} {
				transport := &http.Transport{Protocols: new(http.Protocols)}
				transport.Protocols.SetHTTP1(client == one)
				transport.Protocols.SetUnencryptedHTTP2(client == two)
				defer transport.CloseIdleConnections()
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Host = "web"
				res, err := transport.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if res.Proto != client || string(body) != want {
					t.Errorf("a client that speaks %s was answered in %s, and its Pod asked in %s, want %s", client, res.Proto, body, want)
				}
			}
		})
	}
}
