package prometheus

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/api"
	apiv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"go.uber.org/goleak"

	"github.com/canaryctl/canaryctl/lab/internal/watch/watchtest"
)

// pod is a Pod of web with a port http; more is added to its metadata.
func pod(name, ip, more string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: default, labels: {app: web}%s}
spec: {containers: [{name: istio-proxy}, {name: app, ports: [{name: http, containerPort: 8080}]}]}
status: {podIP: %s, phase: Running, conditions: [{type: Ready, status: "True"}]}`, name, more, ip)
}

const scraped = `, annotations: {prometheus.io/scrape: "true", prometheus.io/port: "8080"}`

const service = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default, labels: {app: web, team: shop}}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.0.1], targetRef: {kind: Pod, name: web-1}}]`

const serviceMonitor = `
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: web, namespace: monitoring, labels: {release: kps}}
spec:
  namespaceSelector: {matchNames: [default]}
  selector: {matchLabels: {app: web}}
  targetLabels: [team]
  endpoints: [{port: http, interval: 15s}]`

const rules = `
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: web, namespace: default}
spec:
  groups:
  - name: web
    rules:
    - {record: "job:up:sum", expr: sum by (job) (up)}
    - alert: TargetUp
      expr: up{job="web"} == 1
      labels: {severity: info}
      annotations: {summary: '{{ $labels.pod }} is {{ $value | printf "%.0f" }}'}
    - {alert: LongUp, expr: 'job:up:sum{job="web"} > 0', for: 1h}`

const route = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web-route, namespace: default}
spec:
  hosts: [web]
  http: [{route: [{destination: {host: web, subset: v1}, weight: 9}, {destination: {host: web, subset: v2}, weight: 1}]}]`

// TestRun is a whole life: targets by annotation, then by a ServiceMonitor whose
// CRD comes late, rules, the state of the cluster, and nothing left at the end.
func TestRun(t *testing.T) {
	defer goleak.VerifyNone(t)
	t.Run("run", func(t *testing.T) {
		kube := watchtest.New(t, "/api/v1/pods Pod", "/api/v1/services Service", "/apis/apps/v1/deployments Deployment",
			"/apis/discovery.k8s.io/v1/endpointslices EndpointSlice", "/apis/networking.istio.io/v1/virtualservices VirtualService")
		kube.Put(pod("web-1", "10.244.0.1", scraped))
		kube.Put(pod("web-2", "10.244.0.2", ""))
		kube.Put(service)
		kube.Put(route)
		exposer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			fmt.Fprintln(w, "hits_total 7")
		}))
		defer exposer.Close()
		p, err := New(Config{
			Kube:     kube.Config(),
			Interval: 50 * time.Millisecond,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if address != "10.244.0.1:8080" {
					return nil, fmt.Errorf("dialled %s", address)
				}
				return (&net.Dialer{}).DialContext(ctx, network, exposer.Listener.Addr().String())
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		<-p.Ready()
		c, err := api.NewClient(api.Config{Address: p.URL(), Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
		if err != nil {
			t.Fatal(err)
		}
		client := apiv1.NewAPI(c)

		eventually(t, client, "hits_total", `hits_total{container="app", endpoint="http", instance="10.244.0.1:8080", job="kubernetes-pods", namespace="default", pod="web-1"} => 7`)
		eventually(t, client, `canary_route_weight{version="v2"}`, `canary_route_weight{host="web", instance="kube-state-metrics", job="kube-state-metrics", namespace="default", route="web-route", version="v2"} => 10`)
		eventually(t, client, `sum(kube_pod_status_ready{condition="true"})`, `{} => 2`)

		kube.Serve("/apis/monitoring.coreos.com/v1/servicemonitors ServiceMonitor")
		kube.Serve("/apis/monitoring.coreos.com/v1/prometheusrules PrometheusRule")
		kube.Put(serviceMonitor)
		kube.Put(rules)
		eventually(t, client, "hits_total", `hits_total{container="app", endpoint="http", instance="10.244.0.1:8080", job="web", namespace="default", pod="web-1", service="web", team="shop"} => 7`)
		eventually(t, client, `job:up:sum{job="web"}`, `job:up:sum{job="web"} => 1`)
		eventually(t, client, `sum by (alertname, alertstate) (ALERTS)`,
			`{alertname="LongUp", alertstate="pending"} => 1`, `{alertname="TargetUp", alertstate="firing"} => 1`)
		checkRules(t, client)

		kube.Delete(pod("web-1", "10.244.0.1", ""))
		eventually(t, client, "hits_total")
		eventually(t, client, `ALERTS{alertname="TargetUp"}`)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func checkRules(t *testing.T, client apiv1.API) {
	t.Helper()
	result, err := client.Rules(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, group := range result.Groups {
		for _, rule := range group.Rules {
			switch r := rule.(type) {
			case apiv1.RecordingRule:
				got = append(got, fmt.Sprint(group.File, r.Name, r.Health))
			case apiv1.AlertingRule:
				got = append(got, fmt.Sprint(group.File, r.Name, r.Health, r.State, r.Alerts[0].Annotations["summary"]))
			}
		}
	}
	want := []string{"default/web" + "job:up:sum" + "ok", "default/web" + "TargetUp" + "ok" + "firing" + "web-1 is 1", "default/web" + "LongUp" + "ok" + "pending"}
	if diff := cmp.Diff(strings.Join(want, "\n"), strings.Join(got, "\n")); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	targets, err := client.Targets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pools := []string{}
	for _, target := range targets.Active {
		pools = append(pools, target.ScrapePool+" "+string(target.Health))
	}
	if diff := cmp.Diff([]string{"kube-state-metrics up", "serviceMonitor/monitoring/web/0 up"}, pools); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}

// eventually asks until the answer is as wanted.
func eventually(t *testing.T, client apiv1.API, query string, want ...string) {
	t.Helper()
	want = append([]string{}, want...)
	limit := time.Now().Add(20 * time.Second)
	for {
		diff := cmp.Diff(want, ask(t, client, query, time.Since(epoch()).Seconds()))
		if diff == "" {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%s is still different (-want +got):\n%s", query, diff)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
