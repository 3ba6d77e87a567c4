package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// script is all that a seed decides of a run.
type script struct {
	seed    uint64
	source  string // where the release counts
	faulty  bool   // the canary fails 20% of its requests
	inPlace bool   // it is promoted by a roll of the stable Deployment
	foreign string // the plan's policy for what others change
	faults  []planned
	// way is what a person does about a release that stands still once all faults
	// are over: resume, or another command before it.
	way   string
	alone bool
	// first kills the release itself, from its first call on, in the runs that no
	// seed decides of; they have a label.
	first *killAt
	label string
}

// name is that of the run's namespace and folder.
func (s script) name() string {
	if s.label != "" {
		return "chaos-" + s.label
	}
	return fmt.Sprintf("chaos-%d", s.seed)
}

// steps are those of the plan.
const steps = 3

// draw makes the script of a seed. Its first fault is that of its turn, so that as
// many runs as there are kinds meet each; half of the runs meet another, too.
func draw(seed uint64) script {
	r, all := rand.New(rand.NewPCG(seed, 0)), kinds()
	first := all[seed%uint64(len(all))]
	meets := []kind{first}
	if !first.alone && r.IntN(2) == 0 {
		others := slices.DeleteFunc(all, func(k kind) bool {
			return k.alone || k.name == first.name || k.source != "" && first.source == ""
		})
		meets = append(meets, one(r, others...))
	}
	s := script{
		seed:    seed,
		source:  one(r, fromPods, fromPrometheus),
		faulty:  r.IntN(3) == 0,
		inPlace: r.IntN(4) == 0,
		foreign: one(r, "pause", "rollback"),
		way:     one(r, "resume", "resume", "resume", "resume", "rollback", "abort", "promote"),
		alone:   first.alone,
	}
	for _, k := range meets {
		if k.source != "" {
			s.source = k.source
		}
		s.faults = append(s.faults, planned{k.name, r.IntN(steps+1) - 1, between(r, 0, time.Second), k.draw(r)})
	}
	return s
}

// plan is the plan file: some seconds of a release.
func (s script) plan() string {
	promotion := "switch"
	if s.inPlace {
		promotion = "in-place"
	}
	return fmt.Sprintf(`apiVersion: canaryctl.io/v1alpha1
kind: Plan
metadata:
  name: chaos
spec:
  steps:
    - {weight: 10, min: 1s, exposure: 5}
    - {weight: 30, min: 1s, exposure: 20}
    - {weight: 60, min: 1s, exposure: 40}
  noData: 20s
  unready: 4s
  promotion: %s
  policy:
    noData: hold
    timeout: pause
    doubt: hold
    foreign: %s
    interrupt: pause
`, promotion, s.foreign)
}

// environment is what the canary is told.
func (s script) environment() []string {
	env := []string{"DRAIN_DELAY=0s"}
	if s.faulty {
		env = append(env, "FAULT_ERROR_SHARE=0.2")
	}
	return env
}

// String is one line: what to look at, and how to have it again.
func (s script) String() string {
	canary, promotion := "good", "switch"
	if s.faulty {
		canary = "faulty"
	}
	if s.inPlace {
		promotion = "in place"
	}
	what := fmt.Sprintf("seed %d", s.seed)
	if s.label != "" {
		what = s.label
	}
	return fmt.Sprintf("%s: a %s canary, counts from %s, promoted by %s, foreign: %s, then %s; %v",
		what, canary, s.source, promotion, s.foreign, s.way, s.faults)
}
