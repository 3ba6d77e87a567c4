package router

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// BenchmarkSnapshot builds the snapshot of a lab with many Services: what a
// change of one weight costs.
func BenchmarkSnapshot(b *testing.B) {
	m := newMesh(b, web, weights(90, 10))
	for i := range 200 {
		m.world.add(b, fmt.Sprintf("kind: Service\nmetadata: {name: s%d, namespace: default}\nspec: {ports: [{name: http, port: 80}]}", i))
	}
	b.ReportAllocs()
	for b.Loop() {
		m.build.snapshot(m.world)
	}
}

// BenchmarkRoute is what the router adds to a request apart from the proxying:
// finding the rule, the destination and the endpoint, and counting both sides.
func BenchmarkRoute(b *testing.B) {
	m := newMesh(b, web, weights(90, 10))
	req := httptest.NewRequest(http.MethodGet, "http://web/version", nil)
	b.ReportAllocs()
	for b.Loop() {
		host, _ := m.snapshot.Load().lookup(req.Host, m.port)
		c := call{Request: req, host: hostname(req.Host)}
		to := host.match(&c).split.pick(m.config.Random())
		e := to.cluster.pick(m.config.Random(), nil)
		o := outcome{http.StatusOK, "-", notGRPC}
		e.target.report(source, o, 1)
		e.target.report(dest, o, 1)
	}
}

// BenchmarkProxy is whole requests over loopback, each from one of many clients
// with connections that stay open, to Pods that answer at once; requests/s
// includes the clients' and the Pods' share of the machine.
func BenchmarkProxy(b *testing.B) {
	m := newMesh(b, web, weights(90, 10))
	for _, address := range []string{"10.244.0.1:8080", "10.244.0.2:8080", "10.244.0.3:8080"} {
		m.serve(address, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"version":"v1"}`) }))
	}
	front := m.front(b)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	b.ReportAllocs()
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := askWeb(client, front.URL); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

// BenchmarkGather is a scrape of the router's metrics.
func BenchmarkGather(b *testing.B) {
	m := newMesh(b, web, weights(90, 10))
	for range 100 {
		m.get("http://web/")
	}
	for b.Loop() {
		if _, err := prometheus.Gatherer(m.telemetry.registry).Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
