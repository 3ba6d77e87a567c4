package lab

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/canaryctl/canaryctl/lab/internal/crds"
)

// build starts what stands on the control plane, and keeps it running.
func (l *Lab) build(ctx context.Context) error {
	err := l.step("control plane", func() error { return await(ctx, l.plane.Ready()) })
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	l.parts.run(ctx, group)
	group.Go(func() error { return l.furnish(ctx) })
	return group.Wait()
}

// furnish fills the API server, and says when the lab is ready.
func (l *Lab) furnish(ctx context.Context) error {
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() error {
		return l.step("custom resources", func() error {
			err := crds.Install(inner, l.kube.rest)
			if err == nil {
				close(l.parts.resources)
			}
			return err
		})
	})
	group.Go(func() error {
		return l.step("namespaces, sidecar injection", func() error {
			if err := bootstrap(inner, l.kube.dynamic); err != nil {
				return err
			}
			if err := l.parts.publish(inner, l.kube.dynamic); err != nil {
				return err
			}
			return awaitAdmission(inner, l.kube.typed)
		})
	})
	for name, ready := range l.parts.readiness() {
		group.Go(func() error {
			return l.step(name, func() error { return await(inner, ready) })
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := l.record(true); err != nil {
		return err
	}
	close(l.ready)
	return nil
}

// await waits for a part to be ready. A part that fails ends ctx.
func await(ctx context.Context, ready <-chan struct{}) error {
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// step reports when one step of the start begins, and when it is done.
func (l *Lab) step(name string, do func() error) error {
	began := time.Now()
	l.config.Progress(Progress{Step: name})
	if err := do(); err != nil {
		return err
	}
	l.config.Progress(Progress{Step: name, Done: true, Took: time.Since(began)})
	return nil
}
