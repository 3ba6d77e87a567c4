package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/test/labtest"
)

// failed is the exit status of a verdict that the canary is worse.
const failed = 3

// detect has canaries that fail 5% of their requests found, beside a stable
// version that fails none. The time begins with the traffic and ends with the
// command: reading, deciding and printing are in it.
func detect(ctx context.Context, lab *labtest.Lab, p plan) error {
	took := make([][]time.Duration, len(sources()))
	for n := range p.detections {
		t := labtest.Trial{Namespace: fmt.Sprintf("bad-%d", n), Canary: "FAULT_ERROR_SHARE=0.05", Weight: 10}
		if err := begin(ctx, lab, t); err != nil {
			return err
		}
		each, err := detection(ctx, lab, t, p.rate)
		if err != nil {
			return err
		}
		if err := end(ctx, lab, t); err != nil {
			return err
		}
		for i, one := range each {
			took[i] = append(took[i], one)
		}
		fmt.Fprintf(os.Stderr, "bad canary %d of %d: %v\n", n+1, p.detections, each)
	}
	fmt.Printf("\n### Time to a fail: %.0f requests/s, 10%% to a canary that fails 5%% of them, stable fails none\n\n| counts from | canaries | median | slowest |\n|---|---:|---:|---:|\n", p.rate)
	for i, source := range sources() {
		slices.Sort(took[i])
		fmt.Printf("| %s | %d | %.1f s | %.1f s |\n", source, len(took[i]), took[i][len(took[i])/2].Seconds(), took[i][len(took[i])-1].Seconds())
	}
	return nil
}

// detection times both sources on the same traffic.
func detection(ctx context.Context, lab *labtest.Lab, t labtest.Trial, rate float64) ([]time.Duration, error) {
	took := make([]time.Duration, len(sources()))
	traffic, start := lab.Send(ctx, t.Host(), rate), time.Now()
	var looks []func() error
	for i, source := range sources() {
		looks = append(looks, func() error {
			r, err := lab.Sh(ctx, fmt.Sprintf("canaryctl analyze --metrics-source %s --interval 1s --wait 2m -o json -n %s", source, t.Namespace))
			took[i] = time.Since(start)
			if err == nil && r.Code != failed {
				err = fmt.Errorf("want exit %d: %s", failed, r)
			}
			return err
		})
	}
	err := atOnce(looks)
	_, ended := traffic.Stop()
	return took, errors.Join(err, ended)
}
