// Command reaction measures how soon a release gives a bad canary's traffic back, in
// a lab of its own: v3 fails 20% or all of its requests, in each of the ways that
// users know, and gets 10% of 100 requests/s. Its table is in docs/performance.md.
//
//	make reaction
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/canaryctl/canaryctl/test/labtest"
)

func main() {
	p := plan{}
	flag.IntVar(&p.runs, "runs", 5, "releases of each kind of bad canary, for each source of counts")
	flag.Float64Var(&p.rate, "rate", 100, "requests/s")
	flag.StringVar(&p.page, "write", "", "a page whose marked part is replaced by the table; without it the table goes to stdout")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := measure(ctx, p)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "reaction:", err)
		os.Exit(1)
	}
}

// plan is how much is measured.
type plan struct {
	runs int
	rate float64
	page string
}

func sources() []string { return []string{"prometheus", "pods"} }

func measure(ctx context.Context, p plan) (err error) {
	lab, err := labtest.Up(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Down(context.WithoutCancel(ctx))) }()
	all, list := map[string][]reaction{}, trials()
	for i := range p.runs { // in turns, so that a slow minute of the machine is slow for all
		for n, t := range list {
			one, err := react(ctx, lab, fmt.Sprintf("reaction-%d-%d", i, n), t, p.rate)
			if err != nil {
				return fmt.Errorf("release %d, %s: %w", i+1, t, err)
			}
			fmt.Fprintf(os.Stderr, "%d of %d, %s: %s\n", i+1, p.runs, t, one)
			all[t.String()] = append(all[t.String()], one)
		}
	}
	if p.page != "" {
		return labtest.Publish(p.page, "reaction", table(all))
	}
	fmt.Print(table(all))
	return nil
}
