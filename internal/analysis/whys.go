package analysis

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Whys count bad requests by how they went wrong, in words.
type Whys map[string]uint64

// mostWhys is how many ways are kept apart: a method may have a status for every day.
const mostWhys = 20

func (w *Whys) add(more map[string]uint64) {
	if *w == nil && len(more) > 0 {
		*w = Whys{}
	}
	for why, n := range more {
		if _, known := (*w)[why]; known || len(*w) < mostWhys {
			(*w)[why] += n
		}
	}
}

// String is the most frequent ways, for a bracket behind a count of bad requests.
func (w Whys) String() string {
	const shown = 2
	order := slices.SortedFunc(maps.Keys(w), func(a, b string) int {
		return cmp.Or(cmp.Compare(w[b], w[a]), strings.Compare(a, b))
	})
	if len(order) == 1 {
		return order[0]
	}
	var parts []string
	for _, why := range order[:min(len(order), shown)] {
		parts = append(parts, fmt.Sprintf("%s: %s", why, Thousands(w[why])))
	}
	return strings.Join(parts, "; ")
}
