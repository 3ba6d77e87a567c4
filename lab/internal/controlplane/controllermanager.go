package controlplane

import "strings"

// controllers are those that the guide's manifests and the tool's users meet. Left out is what
// needs a cloud, volumes, several nodes or a metrics server.
func controllers() []string {
	return []string{
		"deployment-controller",
		"replicaset-controller",
		"statefulset-controller",
		"job-controller",
		"endpoints-controller",
		"endpointslice-controller",
		"namespace-controller",
		"garbage-collector-controller",
		"resourcequota-controller",
		"disruption-controller",
		"serviceaccount-controller",
		"serviceaccount-token-controller",
		"root-ca-certificate-publisher-controller",
		"clusterrole-aggregation-controller",
	}
}

func (p *ControlPlane) controllerManager() component {
	pki := p.layout.pki
	return component{
		name: controllerManagerName,
		// It keeps nothing and serves nothing: no port, and no goodbye.
		grace: 1,
		env:   []string{"GOGC=50", "GOMEMLIMIT=96MiB"},
		args: []string{
			"--kubeconfig=" + pki("controller-manager.kubeconfig"),
			"--controllers=" + strings.Join(controllers(), ","),
			"--secure-port=0",
			"--leader-elect=false",
			"--kube-api-qps=500",
			"--kube-api-burst=1000",
			"--root-ca-file=" + pki("ca.crt"),
			"--service-account-private-key-file=" + pki("sa.key"),
			"--profiling=false",
			"--enable-dynamic-provisioning=false",
		},
	}
}
