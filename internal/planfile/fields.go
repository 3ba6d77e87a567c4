package planfile

import (
	"reflect"
	"strings"
)

// field of a document's type, by the name that files have for it.
type field struct {
	name  string
	index []int
	kind  reflect.Type
}

// fieldsOf are the fields of a struct, those of embedded ones among them, as
// encoding/json sees them.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || !f.IsExported() || name == "" {
			continue
		}
		fields = append(fields, field{name, f.Index, f.Type})
	}
	return fields
}

// nearest is the name that a wrong one was probably meant to be; empty for none.
func nearest(wrong string, names []string) string {
	best, least := "", 1+max(1, len(wrong)/3)
	for _, name := range names {
		d := distance(strings.ToLower(wrong), strings.ToLower(name))
		if d < least {
			best, least = name, d
		}
	}
	return best
}

// distance counts the letters to insert, drop, replace or swap with the next
// (optimal string alignment; Damerau, CACM 7, 1964).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return len(a) + len(b) // no slip of the finger
	}
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := d[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
