package demo

import (
	"context"
	"fmt"
)

// rolledBack is the exit status of a release that evidence took back.
const rolledBack = 3

const app = "versioned-echo"

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

// release lets the evidence take v2 to production.
func (s *stage) release(ctx context.Context) error {
	s.title("A release by itself", fmt.Sprintf("%d requests/s all the while. canaryctl makes a canary of v2, plans by the traffic it sees, and goes on as the evidence allows.", s.Rate))
	before := s.traffic.Counts()
	if err := s.run(ctx, "canaryctl release --app versioned-echo --image versioned-echo:v2 --replicas 2"); err != nil {
		return err
	}
	seen, err := s.settled(ctx, before)
	if err != nil {
		return err
	}
	s.report("v1", "v2", seen)
	if seen["v2"].Errors > 0 {
		return fmt.Errorf("demo: %d of %d requests to v2 failed, and v2 is the good version", seen["v2"].Errors, seen["v2"].Requests)
	}
	s.say("v2 is the stable version now. No Pod was restarted: those that were watched are those that serve.")
	return s.run(ctx, "canaryctl delete-canary")
}

// badRelease is what a canary is for.
func (s *stage) badRelease(ctx context.Context) error {
	s.title("What a canary is for", "v3 has a fault: it answers one request in five with an error. Nobody watches.")
	before := s.traffic.Counts()
	if err := s.exits(ctx, rolledBack, "canaryctl release --app versioned-echo --image versioned-echo:v3 --set-env FAULT_ERROR_SHARE=0.2"); err != nil {
		return err
	}
	seen, err := s.settled(ctx, before)
	if err != nil {
		return err
	}
	s.report("v2", "v3", seen)
	s.hurt = seen["v3"].Errors
	s.say("%d requests were hurt, of %d that v3 answered.", s.hurt, seen["v3"].Requests)
	quiet := s.traffic.Counts()
	after, err := s.watch(ctx, "v3", s.Step)
	if err != nil {
		return err
	}
	if late := after["v3"].Requests; late > 0 {
		return fmt.Errorf("demo: v3 still answered %d requests after the rollback", late)
	}
	s.report("v2", "v3", s.traffic.Counts().Since(quiet))
	if err := s.run(ctx, "canaryctl history"); err != nil {
		return err
	}
	return s.run(ctx, "canaryctl delete-canary")
}

// settled is what was counted since, once the requests under way are in it.
func (s *stage) settled(ctx context.Context, before Counts) (Counts, error) {
	for range 2 { // the frame that is under way, and a whole one
		if err := s.nextFrame(ctx); err != nil {
			return nil, err
		}
	}
	return s.traffic.Counts().Since(before), nil
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
