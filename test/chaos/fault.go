package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// fault is something that goes wrong in a run. It is a small struct of what was
// drawn for it, so that printing it says how to have it again.
type fault interface {
	// strike brings it about, and returns once it is over or ctx has ended. An
	// error is about the harness, never about the release.
	strike(ctx context.Context, s *scene) error
}

// kind is a kind of fault.
type kind struct {
	name string
	draw func(r *rand.Rand) fault
	// source is where the release must count for the fault to reach it; empty for
	// anywhere.
	source string
	// alone is for what strikes every release in the lab.
	alone bool
}

// kinds are all there are, family by family.
func kinds() []kind {
	return slices.Concat(onTheWire(), ofPrometheus(), ofEngines(), ofTheCluster(), byPeople())
}

// planned is a fault with the point at which it strikes: so long after the release
// has come to a step, -1 for its beginning.
type planned struct {
	kind  string
	step  int
	after time.Duration
	fault fault
}

func (p planned) String() string {
	return fmt.Sprintf("%s %+v, %s after step %d", p.kind, p.fault, p.after, p.step)
}

// between draws a duration, in whole tenths of a second.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	const unit = 100 * time.Millisecond
	return least + time.Duration(r.Int64N(int64((most-least)/unit)+1))*unit
}

// one draws one of several.
func one[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }
