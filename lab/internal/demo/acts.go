package demo

import (
	"context"
	"fmt"
	"time"
)

// verdictFail is the exit status of an analysis that found the canary worse.
const verdictFail = 3

const (
	app   = "versioned-echo"
	route = "--vs versioned-echo-virtualservice --host versioned-echo"
)

func (s *stage) cluster(ctx context.Context) error {
	s.title("A cluster on this machine", "A real Kubernetes API server; Pods are processes, requests are real.")
	if err := s.run(ctx, "canary-lab up --detach"+s.stateDirFlag()); err != nil {
		return err
	}
	return s.enterLab(ctx)
}

func (s *stage) stable(ctx context.Context) error {
	s.title("The stable version", "v1, its Service, and the route that sends everything to v1.")
	if err := s.run(ctx, "kubectl apply -f k8s/base"); err != nil {
		return err
	}
	if err := s.run(ctx, "kubectl rollout status deploy/versioned-echo-v1"); err != nil {
		return err
	}
	return s.startTraffic(ctx)
}

func (s *stage) goodCanary(ctx context.Context) error {
	s.title("The canary", "v2 is made from the live v1. It gets no traffic yet.")
	return s.run(ctx, "canaryctl --ns default --app versioned-echo create-canary --image versioned-echo:v2 --replicas 2")
}

// walk moves the traffic to v2 a little at a time, as the lab guide does.
func (s *stage) walk(ctx context.Context) error {
	s.title("Traffic moves, a little at a time", fmt.Sprintf("%d requests/s all the while; each share with its 95%% interval.", s.Rate))
	for _, canary := range []int{10, 30, 50, 100} {
		if err := s.setTraffic(ctx, 100-canary, canary); err != nil {
			return err
		}
		seen, err := s.watch(ctx, "v2", s.Step)
		if err != nil {
			return err
		}
		s.report("v1", "v2", seen)
		if seen["v2"].Errors > 0 {
			return fmt.Errorf("demo: %d of %d requests to v2 failed, and v2 is the good version", seen["v2"].Errors, seen["v2"].Requests)
		}
	}
	return nil
}

func (s *stage) promote(ctx context.Context) error {
	s.title("v2 becomes the stable version", "Not a single error, so the question is: is v2 shown to fail less than 1%?")
	if err := s.run(ctx, "canaryctl analyze --negligible 1%"); err != nil {
		return err
	}
	s.say("Promoting restarts no Pod: the Pods that were watched are the Pods that serve.")
	if err := s.run(ctx, "canaryctl promote --retire "+route); err != nil {
		return err
	}
	return s.run(ctx, "canaryctl status")
}

// badCanary is what a canary is for.
func (s *stage) badCanary(ctx context.Context) error {
	s.title("What a canary is for", "v3 has a fault: it answers one request in five with an error.")
	if err := s.run(ctx, "canaryctl --app versioned-echo create-canary --image versioned-echo:v3 --set-env FAULT_ERROR_SHARE=0.2"); err != nil {
		return err
	}
	before := s.traffic.Counts()
	if err := s.setTraffic(ctx, 90, 10); err != nil {
		return err
	}
	start := time.Now()
	if err := s.exits(ctx, verdictFail, "canaryctl analyze --wait 1m"); err != nil {
		return err
	}
	took := time.Since(start)
	if err := s.nextFrame(ctx); err != nil {
		return err
	}
	seen := s.traffic.Counts().Since(before)
	s.report("v2", "v3", seen)
	s.say("Found out after %.1f s, %d requests to v3.", took.Seconds(), seen["v3"].Requests)
	if err := s.run(ctx, "canaryctl rollback "+route); err != nil {
		return err
	}
	s.setWeight(0)
	after, err := s.watch(ctx, "v3", s.Step/2)
	if err != nil {
		return err
	}
	s.report("v2", "v3", after)
	total := s.traffic.Counts().Since(before)
	s.hurt = total["v3"].Errors
	if late := after["v3"].Requests; late > s.Rate {
		return fmt.Errorf("demo: v3 still answered %d requests after the rollback", late)
	}
	return s.run(ctx, "canaryctl delete-canary")
}

func (s *stage) closing() error {
	s.title("What it cost", "")
	all := s.traffic.Counts().Sum()
	s.say("Of %d requests, %d were hurt: by v3, before the rollback.", all.Requests, s.hurt)
	if all.Errors != s.hurt {
		return fmt.Errorf("demo: %d requests failed, and v3 answered for %d of them", all.Errors, s.hurt)
	}
	if s.Keep {
		s.say("The lab is still up. To work in it, and to end it:")
		s.say("  eval \"$(bin/canary-lab env%s)\"", s.stateDirFlag())
		s.say("  bin/canary-lab down --reset%s", s.stateDirFlag())
	}
	return nil
}

func (s *stage) setTraffic(ctx context.Context, stable, canary int) error {
	s.blank()
	if err := s.run(ctx, fmt.Sprintf("canaryctl set-traffic %d %d %s", stable, canary, route)); err != nil {
		return err
	}
	s.setWeight(canary)
	return nil
}
