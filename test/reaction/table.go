package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// table shows, for each source, the middle, the slow end and the slowest.
func table(all map[string][]reaction) string {
	var b strings.Builder
	b.WriteString("| counts from | releases | first bad answer to 100/0: median | p90 | max | requests hurt: median | max | reading to 100/0: median | p90 | max |\n")
	b.WriteString("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, source := range sources() {
		of := all[source]
		back := sorted(of, func(r reaction) time.Duration { return r.back })
		decided := sorted(of, func(r reaction) time.Duration { return r.decided })
		hurt := sorted(of, func(r reaction) int { return r.hurt })
		fmt.Fprintf(&b, "| %s | %d | %.1f s | %.1f s | %.1f s | %d | %d | %d ms | %d ms | %d ms |\n", source, len(of),
			at(back, 0.5).Seconds(), at(back, 0.9).Seconds(), at(back, 1).Seconds(), at(hurt, 0.5), at(hurt, 1),
			at(decided, 0.5).Milliseconds(), at(decided, 0.9).Milliseconds(), at(decided, 1).Milliseconds())
	}
	return b.String()
}

func sorted[T cmp.Ordered](of []reaction, what func(reaction) T) []T {
	var out []T
	for _, r := range of {
		out = append(out, what(r))
	}
	slices.Sort(out)
	return out
}

// at is the value below which a share of them lie: the nearest rank.
func at[T any](of []T, share float64) T {
	rank := int(share*float64(len(of)) + 0.5)
	return of[min(max(rank, 1), len(of))-1]
}
