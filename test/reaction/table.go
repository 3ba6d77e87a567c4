package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// table shows for each kind the middle and the slowest, and how many times as long as
// plain 5xx it takes, of the same share and source.
func table(all map[string][]reaction) string {
	var b strings.Builder
	b.WriteString("| v3 | bad | counts from | releases | first bad answer to 100/0: median | max | times 5xx | requests hurt: median | reading to 100/0: median |\n")
	b.WriteString("|---|---:|---|---:|---:|---:|---:|---:|---:|\n")
	for _, t := range trials() {
		of := all[t.String()]
		plain := all[trial{kinds()[0], t.share, t.source}.String()]
		back := sorted(of, func(r reaction) time.Duration { return r.back })
		decided := sorted(of, func(r reaction) time.Duration { return r.decided })
		hurt := sorted(of, func(r reaction) int { return r.hurt })
		usual := at(sorted(plain, func(r reaction) time.Duration { return r.back }), 0.5)
		fmt.Fprintf(&b, "| %s | %g%% | %s | %d | %.1f s | %.1f s | %.1f | %d | %d ms |\n", t.kind.name, 100*t.share, t.source, len(of),
			at(back, 0.5).Seconds(), at(back, 1).Seconds(), at(back, 0.5).Seconds()/usual.Seconds(), at(hurt, 0.5), at(decided, 0.5).Milliseconds())
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
