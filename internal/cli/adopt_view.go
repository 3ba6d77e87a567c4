package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"text/tabwriter"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/canaryctl/canaryctl/internal/adopt"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// planned is what is there, what is missing, and what each change costs.
func planned(p adopt.Plan) string {
	var b strings.Builder
	if p.Undo {
		fmt.Fprintf(&b, "%s in namespace %s, adopted as version %s:\n", p.Host, p.Namespace, p.Version)
	} else {
		fmt.Fprintf(&b, "%s in namespace %s: Deployment %s is to be version %s\n", p.Host, p.Namespace, p.Deployment.Deployment, p.Version)
	}
	for _, text := range p.There {
		fmt.Fprintf(&b, "  there    %s\n", text)
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range p.Changes {
		word := "missing"
		switch {
		case c.Gone:
			word = "remove"
		case p.Undo:
			word = "put back"
		}
		fmt.Fprintf(w, "  %-8s %s: %s\t%s\n", word, c.Object, c.What, c.Cost)
	}
	_ = w.Flush() // a Builder takes everything
	for _, text := range p.Risks {
		fmt.Fprintf(&b, "  risk     Deployment %s: %s\n", p.Deployment.Deployment, text)
	}
	for _, text := range p.Notes {
		fmt.Fprintf(&b, "  note     %s\n", text)
	}
	for _, c := range p.Changes {
		if c.Keeper != "" {
			fmt.Fprintf(&b, "  note     %s applies %s: suspend it meanwhile, and give it the same change\n", c.Keeper, c.Object)
		}
	}
	return b.String()
}

// printObjects writes the objects as they belong into Git, in the format that was asked
// for.
func (o *adoption) printObjects(changed []traffic.Object) error {
	if o.output == "" {
		return nil
	}
	items := []any{}
	for _, object := range changed {
		if object.Gone {
			continue
		}
		u := &unstructured.Unstructured{Object: object.Body}
		if o.output == "name" {
			kind := strings.ToLower(object.Kind) + "." + u.GroupVersionKind().Group
			fmt.Fprintf(o.f.Out, "%s/%s\n", kind, object.Name)
			continue
		}
		items = append(items, forGit(u).Object)
	}
	var data []byte
	var err error
	switch o.output {
	case "json":
		data, err = json.MarshalIndent(map[string]any{"apiVersion": "v1", "kind": "List", "items": items}, "", "  ")
		data = append(data, '\n')
	case "yaml":
		for i, item := range items {
			document, failed := yaml.Marshal(item)
			if err = failed; err != nil {
				break
			}
			if i > 0 {
				data = append(data, "---\n"...)
			}
			data = append(data, document...)
		}
	}
	if err != nil {
		return fmt.Errorf("print the objects: %w", err)
	}
	_, err = o.f.Out.Write(data)
	return err
}

// forGit is an object without what a server adds, and without our own record.
func forGit(o *unstructured.Unstructured) *unstructured.Unstructured {
	out := o.DeepCopy()
	for _, field := range []string{"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp"} {
		unstructured.RemoveNestedField(out.Object, "metadata", field)
	}
	unstructured.RemoveNestedField(out.Object, "status")
	unstructured.RemoveNestedField(out.Object, "spec", "template", "metadata", "creationTimestamp")
	annotations := maps.Clone(out.GetAnnotations())
	for _, name := range []string{canary.AdoptedAnnotation, "kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision"} {
		delete(annotations, name)
	}
	if len(annotations) == 0 {
		annotations = nil
	}
	out.SetAnnotations(annotations)
	return out
}
