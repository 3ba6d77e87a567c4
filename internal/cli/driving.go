package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/lease"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// driving is who drives a release, and what it knew when it last said so.
type driving struct {
	Holder  string
	Renewed time.Time
	Alive   bool // it has said so lately enough
	Known   *event.Known
	Waits   string
}

// drivingOf reads the Lease of a route's release: who holds it drives it. Nobody
// does where there is none.
func drivingOf(ctx context.Context, f *Factory, route traffic.Route) (driving, error) {
	client, err := f.Dynamic()
	if err != nil {
		return driving{}, err
	}
	name := lease.Object(route.Name, route.Apart)
	object, err := client.Resource(kube.Leases()).Namespace(route.Namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return driving{}, nil
	case err != nil:
		return driving{}, fmt.Errorf("read Lease %s/%s, which says who drives the release: %w", route.Namespace, name, err)
	}
	d := drivingIn(object, f.Clock.Now())
	if r := running(route); r != nil && d.Renewed.Before(r.Started) {
		d.Known, d.Waits = nil, "" // of the release before
	}
	return d, nil
}

// signOfLife waits until whoever holds the Lease renews it, or it is free. One that
// was killed holds it for as long as it said at its last renewal, and drives no more.
func signOfLife(ctx context.Context, f *Factory, route traffic.Route) (d driving, alive bool, err error) {
	began := f.Clock.Now()
	for first := true; ; first = false {
		now, err := drivingOf(ctx, f, route)
		switch {
		case err != nil || !now.Alive:
			return now, false, err
		case now.Renewed.After(began) || !first && (now.Holder != d.Holder || !now.Renewed.Equal(d.Renewed)):
			return now, true, nil
		case first:
			fmt.Fprintf(f.Err, "%s has the lease; waiting for its next sign of life\n", now.Holder)
		}
		d = now
		select {
		case <-ctx.Done():
			return d, false, ctx.Err()
		case <-f.Clock.After(signEvery):
		}
	}
}

// signEvery is how often a lease is looked at that should be renewed in seconds.
const signEvery = 500 * time.Millisecond

func drivingIn(object *unstructured.Unstructured, now time.Time) driving {
	var d driving
	d.Holder, _, _ = unstructured.NestedString(object.Object, "spec", "holderIdentity")
	renewed, _, _ := unstructured.NestedString(object.Object, "spec", "renewTime")
	seconds, _, _ := unstructured.NestedInt64(object.Object, "spec", "leaseDurationSeconds")
	if t, err := time.Parse(time.RFC3339Nano, renewed); err == nil {
		d.Renewed = t
	}
	d.Alive = d.Holder != "" && now.Before(d.Renewed.Add(time.Duration(seconds)*time.Second))
	d.Waits = object.GetAnnotations()[lease.WaitsAnnotation]
	var known event.Known
	if text := object.GetAnnotations()[lease.KnownAnnotation]; text != "" && json.Unmarshal([]byte(text), &known) == nil {
		d.Known = &known
	}
	return d
}

// counts are what the canary answered, as far as whoever drives it knew; nil
// where it has not said so.
func (d driving) counts() *event.Arm {
	if d.Known == nil || len(d.Known.Metrics) == 0 {
		return nil
	}
	return &d.Known.Metrics[0].Canary
}
