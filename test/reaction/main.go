// Command reaction measures how soon a release gives a bad canary's traffic back, in
// a lab of its own: v3 fails 20% of its requests and gets 10% of 200 requests/s. Its
// table is in docs/performance.md.
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
	flag.IntVar(&p.runs, "runs", 30, "releases for each source of counts")
	flag.Float64Var(&p.rate, "rate", 200, "requests/s")
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
	all := map[string][]reaction{}
	for i := range p.runs { // in turns, so that a slow minute of the machine is slow for both
		for _, source := range sources() {
			one, err := react(ctx, lab, fmt.Sprintf("reaction-%s-%d", source, i), source, p.rate)
			if err != nil {
				return fmt.Errorf("release %d, counts from %s: %w", i+1, source, err)
			}
			fmt.Fprintf(os.Stderr, "%d of %d, %s: %s\n", i+1, p.runs, source, one)
			all[source] = append(all[source], one)
		}
	}
	if p.page != "" {
		return labtest.Publish(p.page, "reaction", table(all))
	}
	fmt.Print(table(all))
	return nil
}
