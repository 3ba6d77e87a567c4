package workload

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Differences lists where the live Deployment is not what is wanted, as lines
// of the form "path: wanted, live". It asks that the live object holds all that
// is wanted and tolerates what it holds beyond that, because the API server
// and admission fill fields in; only lists must agree in length. The number of
// Pods counts only when Spec asks for one: autoscalers and people change it. That
// there are to be none counts, for nothing changes that by itself: see Stop.
func Differences(want, live *unstructured.Unstructured, s Spec) []string {
	want = want.DeepCopy()
	if s.Replicas == nil && !stopped(live) {
		unstructured.RemoveNestedField(want.Object, "spec", "replicas")
	}
	var c comparison
	for _, path := range [][]string{{"metadata", "labels"}, {"spec"}} {
		w, _, _ := unstructured.NestedFieldNoCopy(want.Object, path...)
		l, _, _ := unstructured.NestedFieldNoCopy(live.Object, path...)
		c.compare(strings.Join(path, "."), w, l)
	}
	return c.lines
}

// stopped reports whether a Deployment is to have no Pods.
func stopped(live *unstructured.Unstructured) bool {
	n, said, err := unstructured.NestedNumberAsFloat64(live.Object, "spec", "replicas")
	return said && err == nil && n == 0
}

type comparison struct{ lines []string }

func (c *comparison) compare(path string, want, live any) {
	switch want := want.(type) {
	case nil:
	case map[string]any:
		have, _ := live.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(want)) {
			c.compare(path+"."+key, want[key], have[key])
		}
	case []any:
		have, _ := live.([]any)
		c.lists(path, want, have)
	default:
		if want != live {
			c.differ(path, want, live)
		}
	}
}

func (c *comparison) lists(path string, want, live []any) {
	if len(want) != len(live) {
		c.differ(path, brief(want), brief(live))
		return
	}
	names := namesOf(want)
	for i := range want {
		c.compare(path+"["+cmp.Or(names[i], strconv.Itoa(i))+"]", want[i], live[i])
	}
}

func (c *comparison) differ(path string, want, live any) {
	c.lines = append(c.lines, fmt.Sprintf("%s: wanted %v, live %v", path, orNone(want), orNone(live)))
}

// brief shows a list by the names of its entries, where they have any.
func brief(entries []any) string {
	words := namesOf(entries)
	for i := range words {
		if words[i] == "" {
			words[i] = fmt.Sprint(entries[i])
		}
	}
	return "[" + strings.Join(words, ", ") + "]"
}

func orNone(value any) any {
	if value == nil {
		return "none"
	}
	return value
}
