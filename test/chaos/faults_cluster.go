package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"
)

// ofTheCluster are the faults of what the release is about, and of what it runs on.
func ofTheCluster() []kind {
	return []kind{
		{name: "canary Pods deleted", draw: func(r *rand.Rand) fault { return podsDeleted{"v2", 0} }},
		{name: "canary Pods crash", draw: func(r *rand.Rand) fault {
			return podsDeleted{"v2", between(r, 3*time.Second, 14*time.Second)}
		}},
		{name: "stable without Pods", draw: func(r *rand.Rand) fault { return stableGone{between(r, 2*time.Second, 8*time.Second)} }},
		{name: "API server restarts", alone: true, draw: func(*rand.Rand) fault { return restart{} }},
	}
}

// podsDeleted kills all Pods of a version, and those that come after them for so
// long.
type podsDeleted struct {
	Version string
	Long    time.Duration
}

func (f podsDeleted) strike(ctx context.Context, s *scene) error {
	s.remove()
	ctx, cancel := context.WithTimeout(ctx, f.Long+10*time.Second)
	defer cancel()
	for end := time.Now().Add(f.Long); ; rest(ctx, 500*time.Millisecond) {
		line := fmt.Sprintf("kubectl delete pod -n %s -l version=%s --grace-period=0 --force", s.namespace, f.Version)
		if err := s.sh(ctx, line); err != nil && ctx.Err() == nil {
			return err
		}
		if ctx.Err() != nil || !time.Now().Before(end) {
			return nil
		}
	}
}

// stableGone leaves the stable Deployment without Pods for a time: there is no way
// back then.
type stableGone struct{ Long time.Duration }

func (f stableGone) strike(ctx context.Context, s *scene) error {
	s.remove()
	scale := "kubectl scale deploy/versioned-echo-v1 --replicas=%d -n " + s.namespace
	if err := s.sh(ctx, fmt.Sprintf(scale, 0)); err != nil {
		return err
	}
	rest(ctx, f.Long)
	return s.sh(context.WithoutCancel(ctx), fmt.Sprintf(scale, 2))
}

// remove remembers that requests may be lost now, by no fault of the release.
func (s *scene) remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed = true
}

// restart kills the API server. The lab starts it again, as a kubelet does.
type restart struct{}

func (restart) strike(ctx context.Context, s *scene) error {
	pid, err := s.lab.Process(ctx, "kube-apiserver")
	if err != nil {
		return err
	}
	s.diary.notef("SIGKILL for the API server")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill the API server: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		r, err := s.lab.Sh(ctx, "kubectl get --raw /readyz")
		switch {
		case err != nil:
			return err
		case r.Code == 0:
			s.diary.notef("the API server is back")
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("the API server does not come back: %s", r)
		}
		rest(ctx, 100*time.Millisecond)
	}
}
