// Command simulation finds out by chance experiments what docs/statistics.md
// claims: how often good releases are rolled back, how soon bad ones are, and
// what other rules do with the same traffic. The same seeds give the same figures.
//
//	make simulate
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	quick := flag.Bool("quick", false, "a tenth of the releases: wider limits, in seconds")
	page := flag.String("write", "", "a page whose marked parts are replaced by the tables, with plots in the folder of its name; without it the tables go to stdout")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *quick, *page)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "simulation:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, quick bool, page string) error {
	size := full()
	if quick {
		size = size.tenth()
	}
	began := time.Now()
	r := simulate(ctx, size)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("simulate %d releases of each kind: %w; nothing was written", size.good, err)
	}
	fmt.Fprintf(os.Stderr, "simulated in %s\n", time.Since(began).Round(time.Second))
	if page == "" {
		for _, part := range r.parts() {
			fmt.Printf("## %s\n\n%s\n", part.name, part.markdown)
		}
		return nil
	}
	return publish(page, r)
}
