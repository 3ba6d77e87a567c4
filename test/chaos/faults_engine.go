package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/canaryctl/canaryctl/test/labtest"
)

// ofEngines are the faults of what drives the release, and of who may.
func ofEngines() []kind {
	return []kind{
		{name: "kill -9", draw: func(*rand.Rand) fault { return signalled{"SIGKILL"} }},
		{name: "SIGTERM", draw: func(*rand.Rand) fault { return signalled{"SIGTERM"} }},
		{name: "engine stopped, another goes on, it wakes", draw: func(*rand.Rand) fault { return stopped{} }},
		{name: "second engine", draw: func(*rand.Rand) fault { return second{} }},
		{name: "second engine takes over", draw: func(*rand.Rand) fault { return second{TakeOver: true} }},
		{name: "lease stolen", draw: func(*rand.Rand) fault { return leaseStolen{} }},
		{name: "lease deleted", draw: func(*rand.Rand) fault { return leaseDeleted{} }},
	}
}

// signalled is an engine that gets a signal.
type signalled struct{ Signal string }

func (f signalled) strike(ctx context.Context, s *scene) error {
	number := syscall.SIGKILL
	if f.Signal == "SIGTERM" {
		number = syscall.SIGTERM
	}
	for _, p := range s.engines() {
		s.diary.notef("%s for %s", f.Signal, p)
		p.signal(number)
		p.wait(ctx)
	}
	return nil
}

// stopped is an engine that sleeps, as a laptop does when its lid is closed, until
// another holds the lease; then it wakes, and must not write.
type stopped struct{}

func (stopped) strike(ctx context.Context, s *scene) error {
	engines := s.engines()
	if len(engines) == 0 {
		return nil
	}
	sleeper, before := engines[0], s.holder(ctx)
	s.diary.notef("%s stops, and %q holds the lease", sleeper, before)
	sleeper.signal(syscall.SIGSTOP)
	defer sleeper.signal(syscall.SIGCONT)
	heir, err := s.resume()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for ctx.Err() == nil && heir.alive() && sleeper.alive() && (s.holder(ctx) == before || before == "") {
		rest(ctx, 100*time.Millisecond)
	}
	rest(ctx, time.Second)
	s.diary.notef("%s wakes, and %q holds the lease", sleeper, s.holder(ctx))
	return nil
}

// second is one more engine.
type second struct{ TakeOver bool }

func (f second) strike(_ context.Context, s *scene) error {
	var more []string
	if f.TakeOver {
		more = append(more, "--take-over")
	}
	_, err := s.resume(more...)
	return err
}

// leaseStolen has somebody write his name into the lease, past all rules.
type leaseStolen struct{}

func (leaseStolen) strike(ctx context.Context, s *scene) error {
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	patch := fmt.Sprintf(`{"spec":{"holderIdentity":%q,"acquireTime":%[2]q,"renewTime":%[2]q}}`, thief, now)
	_, err := s.leases().Patch(ctx, leaseName, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "thief"})
	return unlessGone(err)
}

// leaseDeleted has somebody delete it.
type leaseDeleted struct{}

func (leaseDeleted) strike(ctx context.Context, s *scene) error {
	return unlessGone(s.leases().Delete(ctx, leaseName, metav1.DeleteOptions{}))
}

const leaseName = "canaryctl-" + labtest.Route

func (s *scene) leases() dynamic.ResourceInterface {
	return s.client.Resource(schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}).Namespace(s.namespace)
}

// holder is who holds the lease; "" for nobody.
func (s *scene) holder(ctx context.Context) string {
	lease, err := s.leases().Get(ctx, leaseName, metav1.GetOptions{})
	if err != nil {
		return ""
	}
	name, _, _ := unstructured.NestedString(lease.Object, "spec", "holderIdentity")
	return name
}

func unlessGone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
