package controlplane

import (
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// ContextName is the one context of the lab's kubeconfig, and its cluster.
const ContextName = "canary-lab"

func (p *ControlPlane) writeKubeconfigs() error {
	for path, user := range map[string]*pair{
		p.layout.kubeconfig():                         p.keys.admin,
		p.layout.pki("controller-manager.kubeconfig"): p.keys.controllerManager,
	} {
		// WriteToFile writes with mode 0600.
		if err := clientcmd.WriteToFile(p.kubeconfig(user), path); err != nil {
			return fmt.Errorf("write kubeconfig %s: %w", path, err)
		}
	}
	return nil
}

func (p *ControlPlane) kubeconfig(user *pair) api.Config {
	c := api.NewConfig()
	c.Clusters[ContextName] = &api.Cluster{Server: p.URL(), CertificateAuthorityData: p.keys.ca.certPEM}
	c.AuthInfos["admin"] = &api.AuthInfo{ClientCertificateData: user.certPEM, ClientKeyData: user.keyPEM}
	c.Contexts[ContextName] = &api.Context{Cluster: ContextName, AuthInfo: "admin", Namespace: "default"}
	c.CurrentContext = ContextName
	return *c
}
