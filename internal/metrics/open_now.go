package metrics

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// CountOpen is how many requests each version has open, by points of one moment. A
// version of which nothing tells is not in it: that is not to say that it has none.
// What is read twice counts once.
func CountOpen(p Profile, points []Point) (map[string]uint64, error) {
	o, err := newOpenPoints(p)
	if err != nil {
		return nil, err
	}
	o.choose(points)
	found := o.gather(points, func(process, time.Time) bool { return true })
	inOrder := slices.SortedFunc(maps.Values(found), func(a, b *gathered) int { return cmp.Compare(a.reader, b.reader) })
	counted, open := map[process]bool{}, map[string]uint64{}
	for _, g := range inOrder {
		if !counted[g.process] {
			counted[g.process] = true
			open[g.version] += g.open
		}
	}
	return open, nil
}
