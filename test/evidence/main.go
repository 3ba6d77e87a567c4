// Command evidence measures what canaryctl analyze makes of real traffic, in a lab
// of its own: how soon a bad canary fails, and how often a good one does. It takes
// half an hour; its tables are in docs/statistics.md.
//
//	make evidence
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/canaryctl/canaryctl/test/labtest"
)

// plan is how much is measured.
type plan struct {
	detections int           // bad canaries, one after the other
	releases   int           // good canaries, at the same time
	rounds     int           // runs that each of those is cut into
	run        time.Duration // how long one such run is
	rate       float64       // requests/s to each release
}

func main() {
	p := plan{run: 2 * time.Minute}
	flag.IntVar(&p.detections, "detections", 10, "bad canaries to find")
	flag.IntVar(&p.releases, "releases", 5, "good canaries at the same time")
	flag.IntVar(&p.rounds, "rounds", 10, "runs of two minutes for each good canary")
	flag.Float64Var(&p.rate, "rate", 200, "requests/s to each release")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := measure(ctx, p)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "evidence:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, p plan) (err error) {
	lab, err := labtest.Up(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Down(context.WithoutCancel(ctx))) }()
	if err := detect(ctx, lab, p); err != nil {
		return fmt.Errorf("find bad canaries: %w", err)
	}
	if err := spare(ctx, lab, p); err != nil {
		return fmt.Errorf("spare good canaries: %w", err)
	}
	return nil
}

// sources are where analyze can read.
func sources() []string { return []string{"prometheus", "pods"} }

// begin brings a trial about in a new namespace.
func begin(ctx context.Context, lab *labtest.Lab, t labtest.Trial) error {
	create := "kubectl create namespace " + t.Namespace + " && kubectl label namespace " + t.Namespace + " istio-injection=enabled"
	if err := sh(ctx, lab, create); err != nil {
		return err
	}
	return lab.Try(ctx, t)
}

// end makes room for the next: the lab's node has as many cores as the machine.
func end(ctx context.Context, lab *labtest.Lab, t labtest.Trial) error {
	return sh(ctx, lab, "kubectl delete namespace "+t.Namespace)
}

// sh runs a line that must succeed.
func sh(ctx context.Context, lab *labtest.Lab, line string) error {
	r, err := lab.Sh(ctx, line)
	if err == nil && r.Code != 0 {
		err = errors.New(r.String())
	}
	return err
}

// atOnce runs all, and returns all their errors.
func atOnce(all []func() error) error {
	errs := make([]error, len(all))
	var wait sync.WaitGroup
	for i, one := range all {
		wait.Go(func() { errs[i] = one() })
	}
	wait.Wait()
	return errors.Join(errs...)
}
