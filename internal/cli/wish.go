package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/status"
	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// How long promote waits until the engine took what was asked, and how often it
// looks. An engine watches the route, so it is a matter of milliseconds.
const (
	wishPatience = 5 * time.Second
	wishEvery    = 100 * time.Millisecond
)

// wish asks the release in progress to go on: it is written into the route, and
// what drives the release sees it there.
func (o *promote) wish(ctx context.Context, route traffic.Route) error {
	if o.retire {
		return hint.Wrap(fmt.Errorf("promote --retire on %s: %w, which keeps the old version for as long as its plan says", route, steer.ErrInProgress),
			"leave --retire and --keep-stable out; once it is over, canaryctl delete-canary removes the old version")
	}
	wish := canary.WishPromote
	if o.step {
		wish = canary.WishSkip
	}
	d, err := o.steer(ctx, &o.mutation, func(route traffic.Route) (*traffic.Change, error) { return steer.Ask(route, wish) })
	if err != nil {
		return err
	}
	r := steer.Last(d.after)
	if !d.changed && r.Wish == "" {
		doing := "is being promoted"
		if r.Phase == canary.Promoted {
			doing = "is promoted"
		}
		o.note("%s: release %s %s already", d.after.Name, r.ID, doing)
		return o.print(d.after)
	}
	o.note("%s: release %s is asked to %s", d.after.Name, r.ID, asking(r.Wish))
	if o.dry() {
		return nil
	}
	after, err := o.grant(ctx, d.after)
	if err != nil {
		return err
	}
	return o.print(after)
}

// asking is a wish in a sentence.
func asking(w canary.Wish) string {
	if w == canary.WishSkip {
		return "begin the next step"
	}
	return "go to its end"
}

// grant sees to it that somebody does what was asked: whoever drives the release,
// else this command.
func (o *promote) grant(ctx context.Context, route traffic.Route) (traffic.Route, error) {
	driver, err := o.f.driver(ctx, route)
	switch {
	case err != nil:
		return route, err
	case driver.Alive:
		return o.await(ctx, route, driver)
	}
	return o.grantHere(ctx, route)
}

func (o *promote) grantHere(ctx context.Context, route traffic.Route) (traffic.Route, error) {
	o.note("nobody drives it, so it is driven here")
	drives := newRunner(o.f)
	return route, drives.resume(ctx, route)
}

// await looks until the engine took the wish. That it takes its time is no error:
// the wish stays in the route.
func (o *promote) await(ctx context.Context, route traffic.Route, driver status.Driver) (traffic.Route, error) {
	asked, end := steer.Last(route), o.f.Clock.Now().Add(wishPatience)
	here := target{vs: route.Name, host: route.Host}
	for {
		_, now, err := here.find(ctx, o.f, false)
		if err != nil {
			return route, err
		}
		r := steer.Last(now)
		switch {
		case r == nil || r.ID != asked.ID:
			o.note("%s: that release is over, and forgotten: %s", now.Name, shares(now))
			return now, nil
		case r.Phase.Over():
			o.note("%s: release %s is over: %s; %s", now.Name, r.ID, steer.Outcome(*r), shares(now))
			return now, nil
		case r.Wish != asked.Wish:
			o.note("%s does so: it stands %s: %s", driver.Name, at(*r, steps(now)), shares(now))
			return now, nil
		case !o.f.Clock.Now().Before(end):
			renewed, err := o.f.awaitDriver(ctx, now)
			if err != nil {
				return now, err
			}
			if !renewed.Alive {
				return o.grantHere(ctx, now)
			}
			o.note("%s has not done so within %s; it stays asked: canaryctl status says what it waits for", driver.Name, wishPatience)
			return now, nil
		}
		select {
		case <-o.f.Clock.After(wishEvery):
		case <-ctx.Done():
			return now, ctx.Err()
		}
	}
}
