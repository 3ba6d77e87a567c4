package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// row is what became of the runs that met one kind of fault.
type row struct{ runs, promoted, rolledBack, resumed, violated int }

func (r *row) add(o outcome) {
	r.runs++
	switch o.phase {
	case canary.Promoted:
		r.promoted++
	case canary.RolledBack:
		r.rolledBack++
	}
	if o.resumed > 0 {
		r.resumed++
	}
	if len(o.wrong) > 0 {
		r.violated++
	}
}

func (r row) String() string {
	return fmt.Sprintf("%d | %d | %d | %d | %d |", r.runs, r.promoted, r.rolledBack, r.resumed, r.violated)
}

// table has a row for each kind of fault, in their order, and one for all runs. A
// run that met two counts in both.
func table(all []outcome) string {
	rows, sum := map[string]*row{}, row{}
	for _, o := range all {
		sum.add(o)
		for _, kind := range slices.Compact(slices.Sorted(slices.Values(o.struck))) {
			if rows[kind] == nil {
				rows[kind] = &row{}
			}
			rows[kind].add(o)
		}
	}
	var b strings.Builder
	b.WriteString("| fault | runs | promoted | rolled back | of them resumed | violations |\n|---|---:|---:|---:|---:|---:|\n")
	for _, k := range append(kinds(), kind{name: everyCallName}) {
		if r := rows[k.name]; r != nil {
			fmt.Fprintf(&b, "| %s | %s\n", k.name, r)
		}
	}
	fmt.Fprintf(&b, "| all runs | %s\n", sum)
	return b.String()
}
