package labtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Trial is a canary of versioned-echo that gets traffic, in a namespace that is
// there already.
type Trial struct {
	Namespace string
	// Stable and Canary are what to add to their environments, as "NAME=VALUE
	// NAME=VALUE"; the canary is made from stable, and has what that has.
	Stable, Canary string
	// Weight is the canary's part of the requests, in percent.
	Weight int
}

// Host is where the router expects the trial's requests to be sent.
func (t Trial) Host() string { return "versioned-echo." + t.Namespace }

// Try brings a trial about, up to its weight.
func (l *Lab) Try(ctx context.Context, t Trial) error {
	lines := []string{"kubectl apply -f k8s/base"}
	if t.Stable != "" {
		lines = append(lines, "kubectl set env deploy/versioned-echo-v1 "+t.Stable)
	}
	create := "canaryctl create-canary --app versioned-echo --image versioned-echo:v2"
	for one := range strings.FieldsSeq(t.Canary) {
		create += " --set-env " + one
	}
	lines = append(lines, "kubectl rollout status deploy/versioned-echo-v1 --timeout=2m", create,
		fmt.Sprintf("canaryctl set-traffic %d %d", 100-t.Weight, t.Weight))
	for _, line := range lines {
		r, err := l.Sh(ctx, line+" -n "+t.Namespace)
		if err != nil {
			return err
		}
		if r.Code != 0 {
			return errors.New(r.String())
		}
	}
	return nil
}
