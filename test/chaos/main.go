// Command chaos plays releases in the lab while things go wrong, and looks whether
// what must hold whatever happens does: the weights are valid at every instant, no
// request is lost, the release comes to an end, the record is complete. A seed is a
// run: the same seed has the same faults at the same points.
//
//	make chaos
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/test/labtest"
)

func main() {
	p := program{}
	flag.IntVar(&p.runs, "runs", 200, "how many runs with faults that are drawn")
	flag.Uint64Var(&p.seed, "seed", 1, "the first run's seed; each other has the next")
	flag.IntVar(&p.parallel, "parallel", 4, "runs at once")
	flag.BoolVar(&p.calls, "calls", true, "also kill a release at every one of its API calls")
	flag.StringVar(&p.only, "only", "", "only runs that meet this kind of fault: part of its name")
	flag.StringVar(&p.page, "write", "", "a page whose marked part is replaced by the table; without it the table goes to stdout")
	flag.StringVar(&p.keep, "keep", "", "a folder for what runs leave that violate something (default: a new one)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := p.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// program is what was asked for.
type program struct {
	runs, parallel int
	seed           uint64
	calls          bool
	only           string
	page, keep     string
}

// draw is the scripts of as many seeds as it takes.
func (p program) draw() ([]script, error) {
	meets := func(k string) bool { return strings.Contains(k, p.only) }
	if !slices.ContainsFunc(kinds(), func(k kind) bool { return meets(k.name) }) {
		return nil, fmt.Errorf("no kind of fault is called %q", p.only)
	}
	var all []script
	for seed := p.seed; len(all) < p.runs; seed++ {
		sc := draw(seed)
		if slices.ContainsFunc(sc.faults, func(f planned) bool { return meets(f.kind) }) {
			all = append(all, sc)
		}
	}
	return all, nil
}

func (p program) run(ctx context.Context) (err error) {
	if p.keep == "" {
		if p.keep, err = os.MkdirTemp("", "chaos"); err != nil {
			return err
		}
	}
	lab, err := labtest.Up(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Down(context.WithoutCancel(ctx))) }()
	began := time.Now()
	scripts, err := p.draw()
	if err != nil {
		return err
	}
	if p.calls {
		more, err := everyCall(ctx, lab, filepath.Join(p.keep, "calls"))
		if err != nil {
			return err
		}
		scripts = append(scripts, more...)
	}
	all, err := playAll(ctx, lab, scripts, p.parallel, p.keep)
	text := table(all) + fmt.Sprintf("\n%d runs from seed %d on, in %s.\n", len(all), p.seed, time.Since(began).Round(time.Minute))
	violated := 0
	for _, o := range all {
		if len(o.wrong) > 0 {
			violated++
		}
	}
	switch {
	case err != nil:
	case violated > 0:
		err = fmt.Errorf("%d of %d runs violate something; what they left is in %s", violated, len(all), p.keep)
	case p.page != "":
		return labtest.Publish(p.page, "chaos", text)
	}
	fmt.Print(text)
	return err
}
