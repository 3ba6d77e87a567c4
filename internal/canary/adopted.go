package canary

import (
	"encoding/json"
	"fmt"
	"maps"
)

// AdoptedAnnotation is the key under which an object carries its Adoptions, as JSON.
const AdoptedAnnotation = "canaryctl.io/adopted"

// Adopted is what adopt did to one object for one host, so that it can be taken back.
// It is written with what it tells of, in one write.
type Adopted struct {
	Version string `json:"version"`
	// Made is a hash of the spec of an object that adopt made; empty where it changed one.
	Made string `json:"made,omitempty"`
	// Labels are those that a Deployment's Pods got.
	Labels map[string]string `json:"labels,omitempty"`
	// Named are the destinations of a route that named no version, as JSON pointers; Kept
	// are those that named this version before, and go on to.
	Named []string `json:"named,omitempty"`
	Kept  []string `json:"kept,omitempty"`
	// Subset is a hash of the subset that a rule got; Was is what it was before, where it
	// was there, and NoList says that there was no list of subsets.
	Subset string          `json:"subset,omitempty"`
	Was    json.RawMessage `json:"was,omitempty"`
	NoList bool            `json:"noList,omitempty"`
}

// Adoptions are what adopt did to an object, by the canonical host.
type Adoptions map[string]Adopted

// ParseAdoptions reads an annotation's value; "" is none.
func ParseAdoptions(text string) (Adoptions, error) {
	if text == "" {
		return nil, nil
	}
	var all Adoptions
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("read the annotation %s: %w", AdoptedAnnotation, err)
	}
	return all, nil
}

// With are the adoptions with that of a host, in the place of any that it had.
func (a Adoptions) With(host string, one Adopted) Adoptions {
	all := maps.Clone(a)
	if all == nil {
		all = Adoptions{}
	}
	all[host] = one
	return all
}

// Without are the adoptions of other hosts.
func (a Adoptions) Without(host string) Adoptions {
	all := maps.Clone(a)
	delete(all, host)
	return all
}

// Encode is an annotation's value; "" for none.
func (a Adoptions) Encode() string {
	if len(a) == 0 {
		return ""
	}
	data, err := json.Marshal(a)
	if err != nil {
		panic(fmt.Sprintf("encode adoptions: %v", err)) // text, and JSON that was read
	}
	return string(data)
}
