// Package planfile reads plan files: what a person writes of how a release goes,
// how the canary is judged, who must agree and who is told. The same document,
// compact, is what the route carries for whoever resumes the release.
package planfile

import (
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hook"
)

// What a plan file says of itself.
const (
	APIVersion = "canaryctl.io/v1alpha1"
	Kind       = "Plan"
)

// Document is a plan file. Parse and Load return valid ones; one that was put
// together by hand needs Validate.
type Document struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata,omitzero"`
	Spec       Spec     `json:"spec"`

	given map[string]place // the fields that the file names; nil of others
}

// Metadata names a plan, for people.
type Metadata struct {
	Name string `json:"name,omitempty"`
}

// Spec is the plan with all that it needs around it. Confirm takes the place of
// the plan's own, which Document.Plan fills in.
type Spec struct {
	canary.Plan
	Confirm  Confirm              `json:"confirm,omitzero"`
	Analysis Analysis             `json:"analysis"`
	Gates    map[string]hook.Gate `json:"gates,omitempty"`
	Notify   []hook.Notification  `json:"notify,omitempty"`
}

// Confirm names gates for whole groups of steps. In a file a name alone stands
// for Promotion.
type Confirm struct {
	// Start names the gate before the first step, Step that before every step
	// which names none itself, Promotion that before the promotion.
	Start     string `json:"start,omitempty"`
	Step      string `json:"step,omitempty"`
	Promotion string `json:"promotion,omitempty"`
}

// short is a name alone, as canary.Plan has it.
func (c *Confirm) short(name string) { *c = Confirm{Promotion: name} }

// Default is a document for a service of which nothing is known.
func Default() Document {
	return Document{
		APIVersion: APIVersion,
		Kind:       Kind,
		Spec:       Spec{Plan: canary.DefaultPlan(), Analysis: DefaultAnalysis()},
	}
}

// Plan is what the state machine follows: every step with the gate before it.
func (d Document) Plan() canary.Plan {
	p, confirm := d.Spec.Plan, d.confirm()
	steps := make([]canary.Step, len(p.Steps))
	copy(steps, p.Steps)
	for i := range steps {
		if i == 0 && steps[i].Gate == "" {
			steps[i].Gate = confirm.Start
		}
		if steps[i].Gate == "" {
			steps[i].Gate = confirm.Step
		}
	}
	p.Steps, p.Confirm = steps, confirm.Promotion
	return p
}

// confirm heeds also a plan that was made by hand.
func (d Document) confirm() Confirm {
	c := d.Spec.Confirm
	if c.Promotion == "" {
		c.Promotion = d.Spec.Plan.Confirm
	}
	return c
}

// Gates by name, as the steps and Plan.Confirm name them.
func (d Document) Gates() map[string]hook.Gate { return d.Spec.Gates }

// Notify is who is told of events.
func (d Document) Notify() []hook.Notification { return d.Spec.Notify }

// Given reports whether the file says a field itself, named as spec.steps[1].min;
// false of everything in a document that was not read from a file.
func (d Document) Given(field string) bool {
	_, given := d.given[field]
	return given
}
