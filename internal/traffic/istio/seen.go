package istio

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// subsetsSeen is a hash of all that the DestinationRules say of the route's two
// versions, and who changed one of them last; both empty where there is none.
// What they say of other versions does not count.
func subsetsSeen(rules []*unstructured.Unstructured, route traffic.Route) (hash, by string) {
	var said []any
	var last *unstructured.Unstructured
	for _, dr := range rules {
		if host, _, _ := unstructured.NestedString(dr.Object, "spec", "host"); !sameHost(host, route.Host, route.Namespace) {
			continue
		}
		said = append(said, saidOf(dr, route.Stable, route.Canary))
		if last == nil || kube.Written(dr).After(kube.Written(last)) {
			last = dr
		}
	}
	if last == nil {
		return "", ""
	}
	data, err := json.Marshal(said)
	if err != nil {
		panic(fmt.Sprintf("encode the subsets of %s: %v", route, err)) // they were JSON before
	}
	return digest(data), kube.Author(last)
}

// digest is a short hash, in hexadecimal.
func digest[T string | []byte](data T) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:8])
}

// saidOf is what a DestinationRule says of all versions, such as its
// trafficPolicy, and of those named.
func saidOf(dr *unstructured.Unstructured, versions ...string) []any {
	spec, _ := dr.Object["spec"].(map[string]any)
	rule := maps.Clone(spec)
	delete(rule, "subsets")
	said := []any{rule}
	s := subsetsOf(dr)
	for _, version := range versions {
		if i := s.index(version); i >= 0 {
			said = append(said, s.list[i])
		}
	}
	return said
}
