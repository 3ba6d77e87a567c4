package istio

import "strings"

// canonical is the one form of a destination host within a namespace: a short
// name means the Service of the rule's own namespace, and the cluster's domain
// is the same for all
// (https://istio.io/latest/docs/reference/config/networking/virtual-service/#Destination).
// Other names, of ServiceEntries say, stand for themselves.
func canonical(host, namespace string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "" || strings.Contains(host, "*") {
		return host
	}
	if !strings.Contains(host, ".") {
		return host + "." + namespace + ".svc"
	}
	if name, _, ok := strings.Cut(host, ".svc."); ok && strings.Count(name, ".") == 1 {
		return name + ".svc"
	}
	return host
}

// short is the name of the Service that a canonical host means.
func short(host string) string {
	name, _, _ := strings.Cut(host, ".")
	return name
}

// otherNamespace is the namespace of the Service that a host means, or "" where
// that is the given one, or the host is no Service's.
func otherNamespace(host, namespace string) string {
	parts := strings.Split(canonical(host, namespace), ".")
	if len(parts) != 3 || parts[2] != "svc" || parts[1] == namespace {
		return ""
	}
	return parts[1]
}

func sameHost(a, b, namespace string) bool {
	return canonical(a, namespace) == canonical(b, namespace)
}
