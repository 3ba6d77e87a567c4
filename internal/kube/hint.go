package kube

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NotServed reports whether err says that the API server has no such resource
// at all, as opposed to no such object: it then answers 404 without a Status.
func NotServed(err error) bool {
	return apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// Hint returns the next step for an error of the API server or of the way to
// it, or "" where it knows none.
func Hint(err error) string {
	var wire *url.Error
	var unknown x509.UnknownAuthorityError
	switch {
	case apierrors.IsForbidden(err):
		return grant(err)
	case apierrors.IsUnauthorized(err):
		return "log in again: the API server does not accept the credentials of this context"
	case errors.As(err, &unknown):
		return "the kubeconfig trusts another certificate authority: fetch it again (the lab's: canary-lab env)"
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err), apierrors.IsTooManyRequests(err), apierrors.IsServiceUnavailable(err):
		return "the API server is overloaded: run the same command again, nothing was half done"
	case errors.As(err, &wire) && !errors.Is(err, context.Canceled):
		return fmt.Sprintf("is the cluster up, and this the right context (kubectl config current-context)? The lab starts with: canary-lab up%s", dialled(wire))
	}
	return ""
}

// refused matches what Kubernetes' authorizer answers
// (k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go).
func refused(message string) (verb, resource, group, namespace string, ok bool) {
	m := regexp.MustCompile(`cannot (\S+) resource "([^"]+)" in API group "([^"]*)"(?: in the namespace "([^"]+)")?`).FindStringSubmatch(message)
	if m == nil {
		return "", "", "", "", false
	}
	return m[1], m[2], m[3], m[4], true
}

func grant(err error) string {
	verb, resource, group, namespace, ok := refused(err.Error())
	if !ok {
		return "an admission policy refused it: its message above says why"
	}
	if group != "" {
		resource += "." + group
	}
	where := "in the whole cluster"
	if namespace != "" {
		where = "in namespace " + namespace
	}
	return fmt.Sprintf("grant the verb %q on %s %s: kubectl apply -f k8s/rbac/role.yaml holds all that canaryctl needs", verb, resource, where)
}

func dialled(wire *url.Error) string {
	var op *net.OpError
	if errors.As(wire, &op) && op.Addr != nil {
		return fmt.Sprintf(" (nothing answers on %s)", op.Addr)
	}
	return ""
}
