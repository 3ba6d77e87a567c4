package workload

// renaming puts one version in the place of another, in labels and in selectors
// of labels.
type renaming struct{ from, to string }

// labels renames the version in labels. The one that Kubernetes recommends for a
// version often says more than ours ("1.4.1").
func (r renaming) labels(labels map[string]any) {
	for key, value := range labels {
		if key != LabelApp && value == r.from || key == "app.kubernetes.io/version" {
			labels[key] = r.to
		}
	}
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
		if values, ok := node["values"].([]any); ok && node["key"] != LabelApp {
			for i := range values {
				if values[i] == r.from {
					values[i] = r.to
				}
			}
		}
		for _, child := range node {
			r.selectors(child)
		}
	}
}
