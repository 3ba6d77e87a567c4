package node

import (
	"context"
	"os"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// rootCA is the ConfigMap in which every Pod finds the API server's authority.
// A controller publishes it in each namespace, some time after the namespace is
// made.
const rootCA = "kube-root-ca.crt"

// objects reads what Pods refer to, on demand: a Pod's start is rare, and it
// should see what is there now.
type objects struct {
	client kubernetes.Interface
	ca     rest.TLSClientConfig
}

func (o *objects) ConfigMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error) {
	m, err := o.client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	if name == rootCA && apierrors.IsNotFound(err) {
		return o.ownCA(err)
	}
	return m, err
}

// ownCA stands in for the ConfigMap where no controller publishes it.
func (o *objects) ownCA(missing error) (*corev1.ConfigMap, error) {
	data := o.ca.CAData
	if len(data) == 0 {
		var err error
		if data, err = os.ReadFile(o.ca.CAFile); err != nil {
			return nil, missing
		}
	}
	return &corev1.ConfigMap{Data: map[string]string{"ca.crt": string(data)}}, nil
}

func (o *objects) Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	return o.client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
}

func (o *objects) Token(ctx context.Context, namespace, account string, spec authenticationv1.TokenRequestSpec) (authenticationv1.TokenRequestStatus, error) {
	if account == "" {
		account = "default"
	}
	answer, err := o.client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, account, &authenticationv1.TokenRequest{Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		return authenticationv1.TokenRequestStatus{}, err
	}
	return answer.Status, nil
}
