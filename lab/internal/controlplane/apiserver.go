package controlplane

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"k8s.io/client-go/rest"
)

// serviceRange is where Services get their cluster addresses.
const serviceRange = "10.96.0.0/16"

// readyPoll is how often the API server is asked whether it is ready.
const readyPoll = 20 * time.Millisecond

func (p *ControlPlane) apiServer() component {
	pki := p.layout.pki
	return component{
		name:    apiServerName,
		address: p.address(),
		grace:   2 * time.Second,
		// What lives on its heap is some 200 MB. A limit close to that would have the
		// collector run without end.
		env: []string{"GOGC=50", "GOMEMLIMIT=288MiB"},
		args: []string{
			"--etcd-servers=" + etcdSocket,
			"--bind-address=127.0.0.1",
			"--secure-port=" + strconv.Itoa(p.port),
			"--tls-cert-file=" + pki("apiserver.crt"),
			"--tls-private-key-file=" + pki("apiserver.key"),
			"--client-ca-file=" + pki("ca.crt"),

			// Loopback is refused as an advertised address, and nobody needs one here.
			"--advertise-address=" + p.config.NodeAddress.String(),
			"--endpoint-reconciler-type=none",
			"--service-cluster-ip-range=" + serviceRange,
			"--egress-selector-config-file=" + p.layout.egressConfig(),

			"--authorization-mode=RBAC",
			"--anonymous-auth=false",
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file=" + pki("sa.pub"),
			"--service-account-signing-key-file=" + pki("sa.key"),

			"--kubelet-certificate-authority=" + pki("ca.crt"),
			"--kubelet-client-certificate=" + pki("kubelet-client.crt"),
			"--kubelet-client-key=" + pki("kubelet-client.key"),
			"--kubelet-preferred-address-types=InternalIP",

			// As in most clusters; Pod Security is what says no.
			"--allow-privileged=true",
			// The taint is taken off by the node lifecycle controller, which has nothing to
			// do for one node that is there for as long as the API server is.
			"--disable-admission-plugins=TaintNodesByCondition",

			// One user on one machine: no fair queuing, no profiling, a short memory.
			"--enable-priority-and-fairness=false",
			"--max-requests-inflight=400",
			"--profiling=false",
			"--event-ttl=1h",
			"--shutdown-delay-duration=0s",
		},
	}
}

// awaitReady returns once /readyz answers 200, or when ctx ends.
func (p *ControlPlane) awaitReady(ctx context.Context) error {
	transport, err := rest.TransportFor(p.RESTConfig("canary-lab"))
	if err != nil {
		return fmt.Errorf("reach the API server: %w", err)
	}
	client := &http.Client{Transport: transport, Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		if ready(ctx, client, p.URL()+"/readyz") {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func ready(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}
