package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"testing"

	"github.com/canaryctl/canaryctl/test/labtest"
)

// TestMain shares one lab among the tests that need it.
func TestMain(m *testing.M) { os.Exit(inLab(m)) }

// lab is set once, before any test runs; nil with -short.
var lab *labtest.Lab

func inLab(m *testing.M) (code int) {
	flag.Parse()
	if testing.Short() {
		return m.Run()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if lab, err = labtest.Up(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := lab.Down(context.WithoutCancel(ctx)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	return m.Run()
}

func needLab(t *testing.T) {
	t.Helper()
	if lab == nil {
		t.Skip("it needs the lab")
	}
}

// TestChaos plays one run for every kind of fault: the seeds from 0 on take their
// turns. `make chaos` plays many more.
func TestChaos(t *testing.T) {
	needLab(t)
	var scripts []script
	for seed := range kinds() {
		scripts = append(scripts, draw(uint64(seed)))
	}
	wantNone(t, scripts)
}

// TestKilledAtSomeCalls kills a release at every other of its API calls.
func TestKilledAtSomeCalls(t *testing.T) {
	needLab(t)
	all, err := everyCall(t.Context(), lab, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("a release makes %d calls: the proxy saw too few", len(all)/2)
	}
	var some []script
	for i, sc := range all { // before and after take turns, and every other call has none
		if i%4 == 0 || i%8 == 3 {
			some = append(some, sc)
		}
	}
	wantNone(t, some)
}

// wantNone plays scripts and fails where something is violated.
func wantNone(t *testing.T, scripts []script) {
	t.Helper()
	all, err := playAll(t.Context(), lab, scripts, 4, t.TempDir())
	if err != nil {
		t.Error(err)
	}
	struck := 0
	for _, o := range all {
		struck += len(o.struck)
		if len(o.wrong) > 0 {
			t.Errorf("%s\n%s", o, o.evident)
		}
	}
	if struck < len(scripts)/2 {
		t.Errorf("%d faults struck in %d runs", struck, len(scripts))
	}
}
