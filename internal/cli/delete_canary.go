package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// errUnconfirmed marks a deletion that takes traffic away and was not agreed to.
var errUnconfirmed = errors.New("not confirmed")

type deleteCanary struct {
	target
	mutation
	retirement
	version string
	yes     bool
	force   bool
}

// NewCmdDeleteCanary removes the canary, or after a promotion the old version.
func NewCmdDeleteCanary(f *Factory) *cobra.Command {
	o := &deleteCanary{mutation: mutation{f: f}}
	cmd := &cobra.Command{
		Use:   "delete-canary",
		Short: "Remove the canary, or after a promotion the old version",
		Long: `Remove the canary, or after a promotion the version that was stable before. Where
it still gets traffic, that goes to the stable version first; a person is asked,
a script says --yes. A release in progress is asked about likewise, and is over with
it: rolled back. Then go its destination, its Deployment and its subset, as far as
create-canary added them: the route is left as it was before.

Requests, streams and connections that are open on it by then stay until its Pods
end, and are cut with them: with Istio's sidecar 5 s after the Pods are told to end,
or terminationDrainDuration, whatever their grace period; else when the application
ends, within the grace period. How many requests are open is said where a gauge
tells (its Pods, or a Prometheus). --drain waits until none is, at most so long, and
where nothing tells, the whole time.`,
		Example: `  canaryctl delete-canary

  # It still gets traffic: give that back without asking
  canaryctl delete-canary --yes

  # Let streams come to their end, for ten minutes at most
  canaryctl delete-canary --drain 10m

  # What would be removed?
  canaryctl delete-canary --dry-run=client`,
		Annotations: exits(),
		Args:        noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(o.validate(), o.checkDrain()); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	o.target.addFlags(flags)
	o.mutation.addFlags(flags)
	o.retirement.addFlags(flags)
	flags.StringVar(&o.version, "version", "", "version to remove (default: the canary, else the version before the promotion)")
	flags.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	flags.BoolVar(&o.force, "force", false, "give the traffic back even to a stable version with no ready Pod")
	return cmd
}

func (o *deleteCanary) run(ctx context.Context) error {
	router, route, err := o.find(ctx, o.f, true)
	if err != nil {
		return err
	}
	version, err := o.which(ctx, router, route)
	if err != nil {
		return err
	}
	if version == "" {
		o.note("%s: %s is the only version; nothing to delete", route.Name, route.Stable)
		return o.print(route)
	}
	if o.matters(route, version) {
		if route, err = o.takeTrafficAway(ctx, router, route, version); err != nil {
			return err
		}
	}
	after, err := o.remove(ctx, &o.mutation, router, route, version)
	if err != nil {
		return err
	}
	if o.changes == 0 {
		o.note("%s: there is no Deployment of %s; nothing to delete", route.Name, version)
	} else {
		o.note("%s: %s; %s has all the traffic", route.Name, o.gone(version), after.Stable)
	}
	return o.print(after)
}

// which is the version to remove, or "" where there is none.
func (o *deleteCanary) which(ctx context.Context, router traffic.Router, route traffic.Route) (string, error) {
	switch {
	case o.version == route.Stable:
		return "", hint.Wrap(fmt.Errorf("delete version %s: it is the stable one", o.version),
			"canaryctl status says which version is which")
	case o.version != "":
		return o.version, nil
	case route.Canary != "":
		return route.Canary, nil
	case route.Previous() != "":
		return route.Previous(), nil
	}
	return o.unrouted(ctx, router, route)
}

// unrouted is the one version that has a Deployment but no place in the route: a
// canary that was applied by hand.
func (o *deleteCanary) unrouted(ctx context.Context, router traffic.Router, route traffic.Route) (string, error) {
	deployments, err := o.f.Deployments(ctx, router, route)
	if err != nil {
		return "", err
	}
	versions, err := deployments.Versions(ctx)
	if err != nil {
		return "", err
	}
	var others []string
	for _, v := range versions {
		if v.Version != route.Stable && !slices.Contains(others, v.Version) {
			others = append(others, v.Version)
		}
	}
	if len(others) > 1 {
		return "", hint.Wrap(fmt.Errorf("delete the canary of %s: %w: versions %s", route.App, traffic.ErrAmbiguous, strings.Join(others, ", ")),
			"name one with --version")
	}
	return strings.Join(others, ""), nil
}

// matters reports whether a version gets traffic, or is what a release in progress
// is about. Such a release may not have named its canary in the route yet.
func (o *deleteCanary) matters(route traffic.Route, version string) bool {
	if version == route.Canary && route.Weights.Canary > 0 {
		return true
	}
	return steer.Running(route) != nil && (version == route.Canary || route.Canary == "" && version != route.Previous())
}

// takeTrafficAway gives the canary's share to the stable version, once that is
// agreed to. A release in progress is over with it.
func (o *deleteCanary) takeTrafficAway(ctx context.Context, router traffic.Router, route traffic.Route, version string) (traffic.Route, error) {
	r := steer.Running(route)
	if r != nil && r.Rolling() && !o.force {
		return route, hint.Wrap(fmt.Errorf("delete version %s: %w", route.Canary, steer.ErrRolling),
			"canaryctl pause stops that where it is; --force gives the traffic back and removes %s all the same", route.Canary)
	}
	if !o.force && route.Weights.Canary > 0 {
		if err := canAnswer(ctx, o.f, router, route, route.Stable); err != nil {
			return route, err
		}
	}
	if !o.yes && !o.dry() {
		if err := o.confirm(ctx, route, version); err != nil {
			return route, err
		}
	}
	after, err := steer.Apply(ctx, router, route, steer.RollBack(route, asked(o.f, ""), o.f.Clock.Now()), o.write())
	if err != nil {
		return route, err
	}
	o.note("%s: %s (was %s)", route.Name, shares(after), route.Weights)
	o.ended(ctx, router, route)
	return after, nil
}

func (o *deleteCanary) confirm(ctx context.Context, route traffic.Route, version string) error {
	about := fmt.Sprintf("it gets %s%% of the traffic", route.Weights.Canary)
	if r := steer.Running(route); r != nil {
		about = fmt.Sprintf("release %s is in progress, with %s%% of the traffic", r.ID, route.Weights.Canary)
	}
	unconfirmed := fmt.Errorf("delete version %s: %s: %w", version, about, errUnconfirmed)
	if !o.f.Interactive() {
		return hint.Wrap(unconfirmed, "--yes gives that to %s first, then deletes; nothing was changed", route.Stable)
	}
	fmt.Fprintf(o.f.Err, "%s: %s. Give that to %s, and delete %s? [y/N] ", version, about, route.Stable, version)
	answer, err := readLine(ctx, o.f.In)
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return hint.Wrap(unconfirmed, "nothing was changed")
}

// readLine reads one answer. It does not outlive the context: a read from a
// terminal cannot be interrupted, so its goroutine ends with the process.
func readLine(ctx context.Context, in io.Reader) (string, error) {
	type line struct {
		text string
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := bufio.NewReader(in).ReadString('\n')
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		if errors.Is(l.err, io.EOF) {
			return l.text, nil
		}
		return l.text, l.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
