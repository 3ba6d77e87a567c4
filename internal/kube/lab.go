package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
)

// ErrNoLab says that the cluster is not the lab, or does not say where its
// parts listen.
var ErrNoLab = errors.New("the cluster is not the lab")

// The parts of the lab that can be asked for.
const (
	LabRouter     = "router"
	LabPrometheus = "prometheus"
)

// LabURL returns where a part of the lab listens, which the lab publishes in
// ConfigMap kube-public/canary-lab. Any other cluster could hold such an object
// and send our requests anywhere, so only loopback addresses are believed.
func LabURL(ctx context.Context, client dynamic.Interface, part string) (*url.URL, error) {
	published, err := client.Resource(ConfigMaps()).Namespace("kube-public").Get(ctx, "canary-lab", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("%w: there is no ConfigMap kube-public/canary-lab", ErrNoLab)
	}
	if apierrors.IsForbidden(err) {
		return nil, fmt.Errorf("%w, as far as we may see: %w", ErrNoLab, err)
	}
	if err != nil {
		return nil, fmt.Errorf("find the lab's %s: %w", part, err)
	}
	text, _, _ := unstructured.NestedString(published.Object, "data", part)
	where, err := url.Parse(text)
	if err != nil || where.Scheme != "http" || !loopback(where.Hostname()) {
		return nil, fmt.Errorf("%w: ConfigMap kube-public/canary-lab names %q as its %s, and only http on a loopback address is believed",
			ErrNoLab, text, part)
	}
	return where, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
