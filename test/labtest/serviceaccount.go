package labtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// ServiceAccountKubeconfig writes a kubeconfig that acts as a ServiceAccount
// and with nothing but its rights.
func (l *Lab) ServiceAccountKubeconfig(ctx context.Context, namespace, name, dir string) (string, error) {
	r, err := l.Sh(ctx, fmt.Sprintf("kubectl create token %s -n %s --duration=1h", name, namespace))
	if err != nil {
		return "", err
	}
	if r.Code != 0 {
		return "", fmt.Errorf("create a token: %s", r)
	}
	config, err := clientcmd.LoadFromFile(l.Kubeconfig())
	if err != nil {
		return "", err
	}
	current := config.Contexts[config.CurrentContext]
	config.AuthInfos = map[string]*api.AuthInfo{current.AuthInfo: {Token: strings.TrimSpace(r.Stdout)}}
	current.Namespace = namespace
	path := filepath.Join(dir, name+".kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return "", err
	}
	return path, os.Chmod(path, 0o600)
}
