package workload

import (
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// renaming puts one version in the place of another, in labels and in selectors of
// labels: by the name of a label, its value for each. It is about the labels that tell
// the versions apart; one that happens to say the same text is left alone.
type renaming map[string]change

// change is a label's value for two versions; from is "" where the label is not there.
type change struct{ from, to string }

// renamingTo is what a new version's Deployment needs to be told from the stable one's.
func renamingTo(stable *unstructured.Unstructured, s Spec) renaming {
	r := renaming{LabelVersion: {versionOf(stable), s.Version}}
	for key, value := range s.Canary.Subset {
		if s.Stable.Subset[key] != value {
			r[key] = change{podLabels(stable)[key], value}
		}
	}
	return r
}

// renamingBetween is what two Deployments are told apart by: their selectors never
// select each other's Pods.
func renamingBetween(one, other *unstructured.Unstructured) renaming {
	r := renaming{LabelVersion: {versionOf(one), versionOf(other)}}
	was, is := selectedBy(one), selectedBy(other)
	for key, value := range is {
		if was[key] != value {
			r[key] = change{podLabels(one)[key], value}
		}
	}
	return r
}

func selectedBy(deployment *unstructured.Unstructured) map[string]string {
	all, _, _ := unstructured.NestedStringMap(deployment.Object, "spec", "selector", "matchLabels")
	return all
}

// back is the renaming that undoes this one.
func (r renaming) back() renaming {
	back := renaming{}
	for key, c := range r {
		back[key] = change{c.to, c.from}
	}
	return back
}

// labels renames the version in labels. The one that Kubernetes recommends for a
// version often says more than ours ("1.4.1").
func (r renaming) labels(labels map[string]any) {
	const recommended = "app.kubernetes.io/version"
	if _, ok := labels[recommended]; ok {
		labels[recommended] = r[LabelVersion].to
	}
	for key, c := range r {
		if value, ok := labels[key]; ok && value == c.from {
			labels[key] = c.to
		}
	}
}

// on is labels that has the version in them, whether they had one before or not.
func (r renaming) on(labels map[string]any) map[string]any {
	out := maps.Clone(labels)
	if out == nil {
		out = map[string]any{}
	}
	r.labels(out)
	for key, c := range r {
		out[key] = c.to
	}
	return out
}

// selectors walks a tree for label selectors and renames the version in them, in
// place.
func (r renaming) selectors(node any) {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			r.selectors(child)
		}
	case map[string]any:
		if labels, ok := node["matchLabels"].(map[string]any); ok {
			r.labels(labels)
		}
		key, _ := node["key"].(string)
		c, renamed := r[key]
		if values, ok := node["values"].([]any); ok && renamed && c.from != "" {
			for i := range values {
				if values[i] == c.from {
					values[i] = c.to
				}
			}
		}
		for _, child := range node {
			r.selectors(child)
		}
	}
}
