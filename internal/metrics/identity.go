package metrics

import (
	"regexp"
	"slices"
	"strings"
)

// hashes is how a Pod's name goes on after its Deployment's: the hash of the
// ReplicaSet and five letters of its own.
const hashes = `[0-9a-z]+-[0-9a-z]{5}`

// Matchers returns the regular expression for each label that together select
// the series of all the releases, and perhaps some more: one query does for any
// number. A label of an empty name is left out.
func (i Identity) Matchers(releases []Release) map[string]string {
	var namespaces, services, versions, pods []string
	for _, r := range releases {
		namespaces = append(namespaces, regexp.QuoteMeta(r.Namespace))
		services = append(services, regexp.QuoteMeta(r.Service))
		for _, v := range r.Versions() {
			versions = append(versions, regexp.QuoteMeta(v))
			pods = append(pods, regexp.QuoteMeta(r.App+"-"+v))
		}
	}
	matchers := map[string]string{
		i.Namespace: anyOf(namespaces), i.Service: anyOf(services), i.Version: anyOf(versions),
	}
	if i.Pod != "" {
		matchers[i.Pod] = "(" + anyOf(pods) + ")-" + hashes
	}
	delete(matchers, "")
	return matchers
}

func anyOf(values []string) string {
	slices.Sort(values)
	return strings.Join(slices.Compact(values), "|")
}

// Owner returns which version of the release a series belongs to.
func (i Identity) Owner(r Release, labels map[string]string) (version string, ok bool) {
	if i.Namespace != "" && labels[i.Namespace] != r.Namespace || i.Service != "" && labels[i.Service] != r.Service {
		return "", false
	}
	for _, v := range r.Versions() {
		if i.Version != "" && labels[i.Version] == v || i.Pod != "" && podOf(r.App+"-"+v, labels[i.Pod]) {
			return v, true
		}
	}
	return "", false
}

// podOf reports whether a Pod is a Deployment's by its name. That echo-v1-beta is
// not echo-v1's is told by the number of its parts.
func podOf(deployment, pod string) bool {
	rest, ok := strings.CutPrefix(pod, deployment+"-")
	hash, own, two := strings.Cut(rest, "-")
	return ok && two && hash != "" && len(own) == 5 && !strings.Contains(own, "-")
}
