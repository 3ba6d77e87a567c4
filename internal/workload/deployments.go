package workload

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
)

// Config says where the Deployments are, and what makes one a version of an application.
type Config struct {
	Client    dynamic.Interface
	Namespace string
	// App is the value of the label "app", which Deployments have that the route sends
	// nothing to, and a part of new ones' names.
	App string
	// Backends are where the route sends requests. Without any, the labels "app" and
	// "version" tell.
	Backends canary.Backends
	Clock    clock.WithTicker
}

// Deployments works on the version Deployments of one application.
type Deployments struct {
	client    dynamic.Interface
	namespace string
	app       string
	backends  canary.Backends
	clock     clock.WithTicker
}

// New returns the version Deployments that the configuration names.
func New(c Config) Deployments {
	return Deployments{client: c.Client, namespace: c.Namespace, app: c.App, backends: c.Backends, clock: c.Clock}
}

// Options of a write.
type Options struct {
	// ServerDryRun lets the API server check the write and drop it.
	ServerDryRun bool
	// Wait blocks until the write has taken effect or the context ends.
	Wait bool
	// Show, if set, sees each write before it is sent, and where ClientDryRun asks
	// for it, instead. The body is JSON.
	Show         func(verb, resource, name string, body []byte)
	ClientDryRun bool
}

func (o Options) dryRun() []string {
	if o.ServerDryRun {
		return []string{metav1.DryRunAll}
	}
	return nil
}

func (o Options) show(verb, resource, name string, body []byte) {
	if o.Show != nil {
		o.Show(verb, resource, name, body)
	}
}

// Live reads one Deployment, nil when there is none of that name. One that is
// being deleted is none: it is waited out, so that the name is free.
func (d Deployments) Live(ctx context.Context, name string) (*unstructured.Unstructured, error) {
	obj, err := d.get(ctx, name)
	if err != nil || obj == nil || obj.GetDeletionTimestamp() == nil {
		return obj, err
	}
	return nil, d.waitGone(ctx, name)
}

func (d Deployments) get(ctx context.Context, name string) (*unstructured.Unstructured, error) {
	obj, err := d.resource().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", d.ref(name), err)
	}
	return obj, nil
}

// Create sends a new Deployment.
func (d Deployments) Create(ctx context.Context, obj *unstructured.Unstructured, o Options) (*unstructured.Unstructured, error) {
	created, err := d.resource().Create(ctx, obj, metav1.CreateOptions{DryRun: o.dryRun(), FieldManager: kube.FieldManager})
	if err != nil {
		err = fmt.Errorf("create %s: %w", d.ref(obj.GetName()), err)
		if strings.Contains(err.Error(), "denied") { // by a policy or a webhook; who may not create gets another hint
			return nil, hint.Wrap(err, "--set-label NAME=VALUE and --set-annotation NAME=VALUE give the canary what a policy asks for")
		}
		return nil, err
	}
	return created, nil
}

// Delete removes a Deployment with its Pods, and says whether there was one.
// With Wait it returns when the last Pod is gone: deletion in the foreground
// keeps the Deployment until then.
func (d Deployments) Delete(ctx context.Context, name string, o Options) (existed bool, err error) {
	policy := metav1.DeletePropagationBackground
	if o.Wait {
		policy = metav1.DeletePropagationForeground
	}
	err = d.resource().Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &policy, DryRun: o.dryRun()})
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("delete %s: %w", d.ref(name), err)
	case !o.Wait || o.ServerDryRun:
		return true, nil
	}
	return true, d.waitGone(ctx, name)
}

func (d Deployments) waitGone(ctx context.Context, name string) error {
	err := d.poll(ctx, func() (bool, error) {
		obj, err := d.get(ctx, name)
		return obj == nil, err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return hint.Wrap(fmt.Errorf("wait until %s and its Pods are gone: %w", d.ref(name), ErrTimeout),
			"they are being deleted all the same; kubectl -n %s get pods shows which are left", d.namespace)
	}
	return err
}

// poll asks once a second, beginning now, until done, an error, or the end of
// the context.
func (d Deployments) poll(ctx context.Context, done func() (bool, error)) error {
	ticker := d.clock.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C():
		}
	}
}

func (d Deployments) resource() dynamic.ResourceInterface {
	return d.client.Resource(kube.Deployments()).Namespace(d.namespace)
}

func (d Deployments) ref(name string) string {
	return fmt.Sprintf("Deployment %s/%s", d.namespace, name)
}
