package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/canaryctl/canaryctl/test/labtest"
)

// playAll plays scripts, several at once; those that strike the whole lab alone, at
// the end. It goes on after violations, and ends early where the harness fails.
func playAll(ctx context.Context, lab *labtest.Lab, scripts []script, parallel int, dir string) ([]outcome, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	var all []outcome
	one := func(sc script) {
		o, err := playIn(ctx, lab, sc, dir)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			cancel(fmt.Errorf("%s: %w", sc, err)) // the first is the one that is told
			return
		}
		all = append(all, o)
		fmt.Fprintf(os.Stderr, "%d of %d: %s\n", len(all), len(scripts), o)
	}
	slots := make(chan struct{}, max(parallel, 1))
	var wait sync.WaitGroup
	for _, sc := range scripts {
		if sc.alone {
			continue
		}
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wait.Go(func() {
			defer func() { <-slots }()
			one(sc)
		})
	}
	wait.Wait()
	for _, sc := range scripts {
		if sc.alone && ctx.Err() == nil {
			one(sc)
		}
	}
	return all, context.Cause(ctx)
}

// playIn plays a script in a folder of its own, which stays where something was
// violated.
func playIn(ctx context.Context, lab *labtest.Lab, sc script, dir string) (outcome, error) {
	own := filepath.Join(dir, sc.name())
	if err := os.MkdirAll(own, 0o755); err != nil {
		return outcome{}, err
	}
	o, err := play(ctx, lab, sc, own)
	if err != nil {
		return o, err
	}
	if len(o.wrong) == 0 {
		return o, os.RemoveAll(own)
	}
	return o, os.WriteFile(filepath.Join(own, "run.txt"), []byte(o.String()+"\n"+o.evident), 0o644)
}

// String is one line, and one more for each violation.
func (o outcome) String() string {
	text := fmt.Sprintf("%s: %s after %d more engines, in %s", o.script, o.phase, o.resumed, o.took.Round(100e6))
	for _, w := range o.wrong {
		text += "\n    VIOLATED: " + w
	}
	return text
}
