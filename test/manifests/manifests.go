// Package manifests reads what the project ships under k8s/, for the tests that
// check it without a cluster and for those that run its queries against one.
package manifests

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Object is one YAML document: what it says it is, and its text.
type Object struct {
	File       string
	APIVersion string
	Kind       string
	Name       string
	Labels     map[string]string
	Raw        []byte
}

// String names the object as an error or a test would.
func (o Object) String() string { return fmt.Sprintf("%s: %s %s", o.File, o.Kind, o.Name) }

// Decode reads the object into a Go value. A field that the value does not have,
// or a key given twice, is an error.
func (o Object) Decode(into any) error {
	if err := yaml.UnmarshalStrict(o.Raw, into); err != nil {
		return fmt.Errorf("decode %s: %w", o, err)
	}
	return nil
}

// Load returns every object of every YAML file below root, in the order of the
// files' names and of the documents in them.
func Load(root fs.FS) ([]Object, error) {
	var objects []Object
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".yaml" {
			return err
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		found, err := split(name, text)
		objects = append(objects, found...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load manifests: %w", err)
	}
	return objects, nil
}

func split(file string, text []byte) ([]Object, error) {
	var objects []Object
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("split %s: %w", file, err)
		}
		object, err := header(file, doc)
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
}

func header(file string, doc []byte) (Object, error) {
	var h struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name   string            `json:"name"`
			Labels map[string]string `json:"labels"`
		} `json:"metadata"`
	}
	if err := yaml.Unmarshal(doc, &h); err != nil {
		return Object{}, fmt.Errorf("read %s: %w", file, err)
	}
	if h.APIVersion == "" || h.Kind == "" || h.Metadata.Name == "" {
		return Object{}, fmt.Errorf("read %s: a document lacks apiVersion, kind or name", file)
	}
	return Object{
		File: file, APIVersion: h.APIVersion, Kind: h.Kind,
		Name: h.Metadata.Name, Labels: h.Metadata.Labels, Raw: doc,
	}, nil
}
