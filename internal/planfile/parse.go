package planfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// ErrInvalid is wrapped by errors about a plan file that no release may follow.
var ErrInvalid = errors.New("invalid plan file")

// MaxSize is how many bytes a plan file may have.
const MaxSize = 1 << 20

// Mistake is one thing in a plan file that cannot be meant. It wraps ErrInvalid.
type Mistake struct {
	File         string
	Line, Column int    // from 1; 0 where it stands nowhere
	Field        string // as spec.steps[1].weight; empty for the whole file
	Text         string
}

func (m Mistake) Error() string {
	var b strings.Builder
	for _, part := range []string{m.position(), m.Field} {
		if part != "" {
			b.WriteString(part + ": ")
		}
	}
	return b.String() + m.Text
}

func (m Mistake) position() string {
	if m.Line == 0 {
		return m.File
	}
	return fmt.Sprintf("%s:%d:%d", m.File, m.Line, m.Column)
}

// Unwrap makes it an ErrInvalid.
func (m Mistake) Unwrap() error { return ErrInvalid }

// Mistakes are all that were found in a file, in its order.
type Mistakes []Mistake

// shown is how many mistakes an error tells: who made more mends these first.
const shown = 20

func (all Mistakes) Error() string {
	var lines []string
	for _, m := range all[:min(shown, len(all))] {
		lines = append(lines, m.Error())
	}
	if more := len(all) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes them an ErrInvalid.
func (all Mistakes) Unwrap() error { return ErrInvalid }

// Parse reads a plan file, YAML or JSON. name is what its errors call it. Fields
// that it does not have are as in Default. An error is Mistakes, all at once: each
// with its line, its field, and what was probably meant.
func Parse(text []byte, name string) (Document, error) {
	d := Default()
	root, err := read(text)
	if err != nil {
		m := Mistake{File: name, Text: err.Error()}
		if inside, ok := errors.AsType[Mistake](err); ok {
			m.Line, m.Column, m.Text = inside.Line, inside.Column, inside.Text
		}
		return d, Mistakes{m}
	}
	reader := decoder{given: map[string]place{}}
	reader.value(root, reflect.ValueOf(&d).Elem(), "")
	all := reader.mistakes
	for _, m := range d.mistakes() {
		if p, follows := reader.find(m); !follows {
			all = append(all, Mistake{Line: p.line, Column: p.column, Field: m.Field, Text: m.Text})
		}
	}
	d.given = reader.given
	if len(all) == 0 {
		return d, nil
	}
	slices.SortStableFunc(all, func(a, b Mistake) int {
		return slices.Compare([]int{a.Line, a.Column}, []int{b.Line, b.Column})
	})
	for i := range all {
		all[i].File = name
	}
	return d, Mistakes(all)
}

// read is the one YAML document of a file.
func read(text []byte) (*yaml.Node, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("it has %d bytes, and a plan has at most %d", len(text), MaxSize)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var first, second yaml.Node
	switch err := decoder.Decode(&first); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("it is empty")
	case err != nil:
		return nil, syntax(err)
	case first.Kind != yaml.DocumentNode || len(first.Content) != 1:
		return nil, errors.New("it is empty")
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, Mistake{Line: second.Line, Column: second.Column, Text: "a second document begins here; one file holds one plan"}
	case !errors.Is(err, io.EOF):
		return nil, syntax(err)
	}
	return first.Content[0], nil
}

// syntax finds the line in what the YAML library says.
func syntax(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := regexp.MustCompile(`^line (\d+): (.*)`).FindStringSubmatch(text); m != nil {
		if line, err := strconv.Atoi(m[1]); err == nil {
			return Mistake{Line: line, Column: 1, Text: "it is no YAML: " + m[2]}
		}
	}
	return fmt.Errorf("it is no YAML: %s", text)
}

// find is where a field stands, or where it would. It follows from a mistake that
// was told already, where that is in the field, around it, or beside one that is
// not there: whoever wrote "wieght" has no step without a weight.
func (d *decoder) find(m canary.Mistake) (p place, follows bool) {
	_, given := d.given[m.Field]
	for _, told := range d.mistakes {
		around := m.Field == told.Field || strings.HasPrefix(m.Field, told.Field+".") || strings.HasPrefix(m.Field, told.Field+"[")
		if around || !given && parent(m.Field) == parent(told.Field) {
			return p, true
		}
	}
	for path := m.Field; ; path = parent(path) {
		if p, ok := d.given[path]; ok || path == "" {
			return p, false
		}
	}
}

// parent is the path of what a field is in.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}
