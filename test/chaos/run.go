package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/probe"
	"github.com/canaryctl/canaryctl/test/labtest"
)

// Times of a run.
const (
	runPatience   = 3 * time.Minute  // for everything
	faultPatience = 25 * time.Second // until a fault's point; then it is missed
	calmPatience  = time.Minute      // from the end of all faults to the end of the release
	reviveEvery   = time.Second      // between engines that are started one after the other
)

// usage is the exit status of a command that is typed wrong.
const usage = 2

// outcome is what became of a run.
type outcome struct {
	script  script
	phase   canary.Phase // where the release ended; empty where it is not over
	struck  []string     // the kinds of faults that came to pass
	resumed int          // how often another engine had to go on
	wrong   []string     // what was violated
	evident string       // everything to find out why, where something was
	took    time.Duration
}

// play runs a script in a scene of its own. An error is about the harness.
func play(ctx context.Context, lab *labtest.Lab, sc script, dir string) (o outcome, err error) {
	all := ctx
	ctx, cancel := context.WithTimeout(ctx, runPatience)
	defer cancel()
	began := time.Now()
	s, err := set(ctx, lab, sc, dir)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, s.clear(context.WithoutCancel(ctx))) }()
	if _, err := s.release(); err != nil {
		return o, err
	}
	calm := make(chan struct{})
	var struck []string
	if sc.first != nil {
		struck = append(struck, everyCallName)
	}
	var harness error
	go func() {
		defer close(calm)
		more, err := s.strikeAll(ctx)
		struck, harness = append(struck, more...), err
	}()
	o.resumed, err = s.see(ctx, calm)
	late := ctx.Err() != nil
	<-calm // see returns after it, or ctx ended
	if err := errors.Join(all.Err(), err, harness); err != nil {
		return o, err
	}
	rest(ctx, 300*time.Millisecond) // the watch tells of the last write
	load, err := s.traffic.Stop()
	if err != nil {
		return o, err
	}
	e, err := s.evidence(load)
	if err != nil {
		return o, err
	}
	o.script, o.struck, o.phase, o.wrong, o.took = sc, struck, e.phase(), e.violations(), time.Since(began)
	if late {
		o.wrong = append(o.wrong, fmt.Sprintf("it was not over after %s", runPatience))
	}
	if len(o.wrong) > 0 {
		o.evident = s.everything(e)
	}
	return o, nil
}

// strikeAll has every fault strike at its point, and returns when all are over.
func (s *scene) strikeAll(ctx context.Context) (struck []string, err error) {
	var mu sync.Mutex
	var wait sync.WaitGroup
	for _, p := range s.script.faults {
		wait.Go(func() {
			if !s.reaches(ctx, p) {
				s.diary.notef("no %s: its point did not come", p.kind)
				return
			}
			s.diary.notef("%s begins: %+v", p.kind, p.fault)
			e := p.fault.strike(ctx, s)
			s.diary.notef("%s is over", p.kind)
			mu.Lock()
			defer mu.Unlock()
			if struck = append(struck, p.kind); e != nil && ctx.Err() == nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", p.kind, e))
			}
		})
	}
	wait.Wait()
	return struck, err
}

// reaches waits for the point of a fault, with an engine that runs then. It
// reports false where that does not come.
func (s *scene) reaches(ctx context.Context, p planned) bool {
	ctx, cancel := context.WithTimeout(ctx, faultPatience)
	defer cancel()
	for begun := time.Now(); ; rest(ctx, 20*time.Millisecond) {
		at := s.witness.last()
		switch {
		case ctx.Err() != nil || s.over():
			return false
		case p.step < 0 && time.Since(begun) >= p.after:
			return true
		case p.step >= 0 && at.Release().ID != "" && at.Release().Step >= p.step && time.Since(at.At) >= p.after && len(s.engines()) > 0:
			return true
		}
	}
}

// see sees the release to its end, as a person would who comes back to it whenever
// nothing drives it. Once all faults are over, that must suffice.
func (s *scene) see(ctx context.Context, calm <-chan struct{}) (resumed int, err error) {
	var calmSince time.Time
	for way := s.script.way; ctx.Err() == nil; rest(ctx, 50*time.Millisecond) {
		select {
		case <-calm:
			if calmSince.IsZero() {
				calmSince = time.Now()
				s.mu.Lock()
				s.calm = calmSince
				s.mu.Unlock()
				s.diary.notef("all faults are over")
			}
		default:
		}
		running := s.engines()
		for _, p := range s.all() {
			if !p.alive() && p.code == usage {
				return resumed, fmt.Errorf("%v is not understood:\n%s", p.args, p.said())
			}
		}
		switch {
		case s.over() && len(running) == 0 && !calmSince.IsZero():
			return resumed, nil
		case !calmSince.IsZero() && time.Since(calmSince) > calmPatience:
			return resumed, nil // the invariants tell
		case len(running) > 0 || s.over():
			continue
		}
		if all := s.all(); all[len(all)-1].alive() || time.Since(all[len(all)-1].ended) < reviveEvery {
			continue // or a person types something
		}
		if !calmSince.IsZero() && way != "resume" {
			if _, err := s.person(ctx, way); err != nil {
				return resumed, err
			}
			way = "resume"
			continue
		}
		resumed++
		if err := s.revive(ctx); err != nil {
			return resumed, err
		}
	}
	return resumed, nil
}

// revive starts another engine: one that goes on, or where there is nothing to go
// on with, the same command once more, with what it says is in its way out of it.
func (s *scene) revive(ctx context.Context) error {
	var err error
	switch at := s.witness.last(); {
	case at.Release().ID != "":
		_, err = s.resume()
	case at.Weight("v2") > 0:
		_, err = s.person(ctx, "rollback")
	default:
		_, err = s.release()
	}
	return err
}

// everything is what there is to find out why something was violated.
func (s *scene) everything(e evidence) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", s.script, s.diary.String())
	for i, r := range e.routes {
		by := "somebody else"
		if p := e.writer(r.Version); p != nil {
			by = p.String()
		}
		fmt.Fprintf(&b, "  route %d, %.2fs: %v, %s at step %d (%s), by %s\n", i, r.At.Sub(s.diary.began).Seconds(), r.Rules, r.Release().Phase, r.Release().Step, r.Release().Why, by)
	}
	for _, p := range s.all() {
		fmt.Fprintf(&b, "%s ended with %d and said:\n%s\n", p, p.code, p.said())
	}
	return b.String()
}

// lost counts the requests that no version answered, or not to the end, by what became
// of them.
func lost(r probe.Result) map[string]int {
	ways := map[string]int{}
	add := func(way string, n int) {
		if n > 0 {
			ways[way] += n
		}
	}
	for _, p := range r.Phases {
		for failure, n := range p.Failures {
			add(failure, n)
		}
		for _, v := range p.Versions {
			add("broke off", v.Broken)
			add("given up", v.GivenUp)
		}
		if p.Unknown != nil {
			rest := p.Unknown.Requests
			for code, n := range p.Unknown.Codes {
				add(code, n)
				rest -= n
			}
			add("of no version", rest)
		}
	}
	return ways
}
