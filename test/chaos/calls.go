package main

import (
	"context"
	"fmt"
	"os"

	"github.com/canaryctl/canaryctl/test/labtest"
)

// everyCallName is what the table calls them.
const everyCallName = "kill -9 at every API call, one run for each"

// everyCall are runs that kill a release at each of its API calls, before the API
// server acts on it and after. A first release, without faults, says how many there
// are.
func everyCall(ctx context.Context, lab *labtest.Lab, dir string) ([]script, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	calm := script{label: "calls-0", source: fromPrometheus, foreign: "pause", way: "resume"}
	calls, err := count(ctx, lab, calm, dir)
	if err != nil {
		return nil, err
	}
	var all []script
	for n := int64(1); n <= calls; n++ {
		for _, delivered := range []bool{false, true} {
			sc := calm
			sc.label = fmt.Sprintf("calls-%d-%t", n, delivered)
			sc.first = &killAt{n, delivered}
			all = append(all, sc)
		}
	}
	return all, nil
}

// count plays a release and returns how many calls it made, watches among them.
func count(ctx context.Context, lab *labtest.Lab, sc script, dir string) (calls int64, err error) {
	s, err := set(ctx, lab, sc, dir)
	if err != nil {
		return 0, err
	}
	p, err := s.release()
	if err == nil && !p.wait(ctx) {
		err = ctx.Err()
	}
	if err == nil && p.code != 0 {
		err = fmt.Errorf("a release without faults ended with %d:\n%s", p.code, p.said())
	}
	if cleared := s.clear(context.WithoutCancel(ctx)); err == nil {
		err = cleared
	}
	return p.proxy.Calls(), err
}
