// Command bench measures what docs/performance.md reports. Every figure that
// matters is a ratio of two things measured in the same run, taken in turns.
//
//	make bench
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/test/labtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	if err := checkTools("nginx", "wrk"); err != nil {
		return err
	}
	if _, err := labtest.Build(ctx); err != nil {
		return err
	}
	if err := benchStart(ctx); err != nil {
		return err
	}
	lab, err := labtest.Up(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if downErr := lab.Down(context.WithoutCancel(ctx)); err == nil {
			err = downErr
		}
	}()
	if err := shAll(ctx, lab,
		"kubectl apply -f k8s/base -f k8s/canary/deployment-v2.yaml",
		"kubectl rollout status deploy/versioned-echo-v1 --timeout=60s",
		"kubectl rollout status deploy/versioned-echo-v2 --timeout=60s",
	); err != nil {
		return err
	}
	if err := benchRollback(ctx, lab); err != nil {
		return err
	}
	return benchRouter(ctx, lab)
}

// shAll runs lines that must succeed.
func shAll(ctx context.Context, lab *labtest.Lab, lines ...string) error {
	for _, line := range lines {
		r, err := lab.Sh(ctx, line)
		if err != nil {
			return err
		}
		if r.Code != 0 {
			return fmt.Errorf("%s", r)
		}
	}
	return nil
}

func median(d []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[len(s)/2]
}

func millis(d time.Duration) string { return fmt.Sprintf("%.0f ms", float64(d)/1e6) }
