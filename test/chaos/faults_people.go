package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"github.com/canaryctl/canaryctl/test/labtest"
)

// byPeople are those who act on the same route: a tool that writes what Git says,
// and persons.
func byPeople() []kind {
	all := []kind{
		{name: "GitOps reverts the weights", draw: func(r *rand.Rand) fault { return gitops{between(r, 2*time.Second, 6*time.Second)} }},
		{name: "kubectl replace wipes annotations", draw: func(*rand.Rand) fault { return wiped{} }},
	}
	for _, command := range []string{"pause", "resume", "promote", "promote --step", "rollback", "abort"} {
		all = append(all, kind{name: "person: " + command, draw: func(*rand.Rand) fault { return person{command} }})
	}
	return append(all, kind{name: "persons who disagree", draw: func(r *rand.Rand) fault {
		return persons{[]string{one(r, "pause", "promote --step"), one(r, "resume", "rollback"), one(r, "promote", "abort", "pause")}}
	}})
}

// gitops writes 100/0 every second, as a tool that brings the cluster to what a
// repository says.
type gitops struct{ Long time.Duration }

func (f gitops) strike(ctx context.Context, s *scene) error {
	ctx, cancel := context.WithTimeout(ctx, f.Long)
	defer cancel()
	const patch = `{"spec":{"http":[{"route":[
		{"destination":{"host":"versioned-echo","subset":"v1"},"weight":100},
		{"destination":{"host":"versioned-echo","subset":"v2"},"weight":0}]}]}}`
	for ; ctx.Err() == nil; rest(ctx, time.Second) {
		_, err := s.client.Resource(labtest.VirtualServices()).Namespace(s.namespace).Patch(ctx, labtest.Route,
			types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "argocd-controller"})
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("revert the weights: %w", err)
		}
	}
	return nil
}

// wiped writes the route as it is, without what canaryctl remembers in it.
type wiped struct{}

func (wiped) strike(ctx context.Context, s *scene) error {
	s.mu.Lock()
	s.forgotten = true
	s.mu.Unlock()
	route := s.client.Resource(labtest.VirtualServices()).Namespace(s.namespace)
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		u, err := route.Get(ctx, labtest.Route, metav1.GetOptions{})
		if err != nil {
			return err
		}
		kept := u.GetAnnotations()
		maps.DeleteFunc(kept, func(key, _ string) bool { return strings.HasPrefix(key, "canaryctl.io/") })
		u.SetAnnotations(kept)
		_, err = route.Update(ctx, u, metav1.UpdateOptions{FieldManager: "kubectl-replace"})
		return err
	})
}

// person types a command.
type person struct{ Command string }

func (f person) strike(ctx context.Context, s *scene) error {
	_, err := s.person(ctx, strings.Fields(f.Command)...)
	return err
}

// persons type one command after the other.
type persons struct{ Commands []string }

func (f persons) strike(ctx context.Context, s *scene) error {
	for _, command := range f.Commands {
		if _, err := s.person(ctx, strings.Fields(command)...); err != nil {
			return err
		}
		rest(ctx, 300*time.Millisecond)
	}
	return nil
}
