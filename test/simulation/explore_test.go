package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestExplore(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("RUNS"))
	if n == 0 {
		t.Skip()
	}
	with := func(name string, change func(*service)) service {
		s := ordinary(name, "")
		change(&s)
		return s
	}
	good := []service{
		ordinary("quick", ""),
		with("slow start", func(s *service) {
			s.slower = func(age float64) float64 { return max(0, 2*(1-age/10)) }
		}),
		with("3 s", func(s *service) { s.takes = exactly(3) }),
		with("20 s", func(s *service) { s.takes = exactly(20) }),
		with("tails", func(s *service) { s.takes = lognormal(0.5, 1.5) }),
		with("routers", func(s *service) { s.follows = func(r *rand.Rand) float64 { return min(3, r.ExpFloat64()) } }),
		with("half unsplit", func(s *service) { s.unsplit = 0.5 }),
		with("three quarters unsplit", func(s *service) { s.unsplit = 0.75 }),
		with("three quarters unsplit 20rps", func(s *service) { s.unsplit = 0.75; s.rps = 20 }),
		with("leave", func(s *service) { s.leave = 0.01 }),
		with("slow canary 2s", func(s *service) { s.slower = func(float64) float64 { return 2 } }),
		with("slow canary 3s", func(s *service) { s.slower = func(float64) float64 { return 3 } }),
		with("slow canary 4s", func(s *service) { s.slower = func(float64) float64 { return 4 } }),
		with("few", func(s *service) { s.rps = 10 }),
		with("15 s", func(s *service) { s.scrape = 15; s.lasts = 120 }),
	}
	only := os.Getenv("ONLY")
	for _, s := range good {
		if !strings.Contains(s.name, only) {
			continue
		}
		causes := map[string]int{}
		ends := make([]ending, n)
		inParallel(t.Context(), n, func(i int) { ends[i] = s.release(uint64(i)) })
		var k int
		for _, e := range ends {
			if !math.IsInf(e.at, 1) {
				k++
				causes[e.cause]++
			}
		}
		fmt.Printf("%-30s %5.2f%% %v\n", s.name, 100*float64(k)/float64(n), causes)
	}
	bad := []service{
		with("errors 20%", func(s *service) { s.fails = 0.2 }),
		with("errors 100%", func(s *service) { s.fails = 1 }),
		with("hang", func(s *service) { s.hang = 1 }),
		with("hang late", func(s *service) { s.hang, s.since = 1, 75 }),
		with("half hang", func(s *service) { s.hang = 0.5 }),
		with("half hang, gauges", func(s *service) { s.hang, s.gauges = 0.5, 3 }),
		with("hang, gauges", func(s *service) { s.hang, s.gauges = 1, 3 }),
		with("half hang, leave after 2", func(s *service) { s.hang, s.patience = 0.5, 2 }),
		with("hang, leave after 2", func(s *service) { s.hang, s.patience = 1, 2 }),
		with("given up 20%", func(s *service) { s.given = 0.2 }),
		with("given up 100%", func(s *service) { s.given = 1 }),
	}
	for i := range bad {
		bad[i].weights, bad[i].lasts = []float64{0.1}, 120
		s := bad[i]
		if !strings.Contains(s.name, only) {
			continue
		}
		causes := map[string]int{}
		var at []float64
		ends := make([]ending, n)
		inParallel(t.Context(), n, func(i int) { ends[i] = s.release(uint64(i)) })
		for _, e := range ends {
			causes[e.cause]++
			at = append(at, e.at-s.since)
		}
		slices.Sort(at)
		fmt.Printf("%-30s median %5.2f 95%% %5.2f max %5.2f %v\n", s.name, at[n/2], at[n*95/100], at[n-1], causes)
	}
}
