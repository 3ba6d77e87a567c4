package status

import (
	"context"
	"encoding/json"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/lease"
	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Driver is who drives a release, and what it knew when it last said so. The zero value
// is nobody.
type Driver struct {
	Name    string    `json:"name"`
	Renewed time.Time `json:"renewed"`
	Alive   bool      `json:"alive"` // it has said so lately enough

	Known *event.Known `json:"-"`
	Waits string       `json:"-"`
}

// DriverOf reads the Lease of a route's release: who holds it drives it. Nobody does
// where there is none.
func DriverOf(ctx context.Context, client dynamic.Interface, clock clock.Clock, route traffic.Route) (Driver, error) {
	view, err := leaseOf(client, clock, route).View(ctx)
	return driverIn(view, route), err
}

// AwaitDriver waits until whoever drives the release says so again, or nobody does; see
// lease.AwaitRenewal.
func AwaitDriver(ctx context.Context, client dynamic.Interface, clock clock.Clock, route traffic.Route, waiting func(Driver)) (Driver, error) {
	view, err := leaseOf(client, clock, route).AwaitRenewal(ctx, func(v lease.View) { waiting(driverIn(v, route)) })
	return driverIn(view, route), err
}

func leaseOf(client dynamic.Interface, clock clock.Clock, route traffic.Route) *lease.Lease {
	return lease.New(lease.Config{Client: client, Namespace: route.Namespace, Name: route.Name, Apart: route.Apart, Clock: clock})
}

func driverIn(view lease.View, route traffic.Route) Driver {
	d := Driver{Name: view.Identity, Renewed: view.Renewed, Alive: view.Alive}
	if r := steer.Running(route); r != nil && d.Renewed.Before(r.Started) {
		return d // what it knew is of the release before
	}
	d.Waits = view.Waits
	var known event.Known
	if view.Known != "" && json.Unmarshal([]byte(view.Known), &known) == nil {
		d.Known = &known
	}
	return d
}
