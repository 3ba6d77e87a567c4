package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// deploy brings the canary's Deployment about. One that is there as wanted is
// left alone, unless it does not become ready and --replace asks for a fresh
// start: a Pod that backs off would not notice for minutes that its image came.
func (o *createCanary) deploy(ctx context.Context, p *canaryPlan) error {
	name := p.want.GetName()
	switch {
	case p.live == nil:
		return o.create(ctx, p)
	case len(p.differences) == 0 && (!o.replace || workload.Ready(p.live)):
		return nil
	}
	w := o.write()
	w.Show("delete", "deployments", name, []byte(`{"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Foreground"}`))
	if w.DryRun != traffic.DryRunClient {
		o.note("Deployment %s: removing the one that is there", name)
		ctx, cancel := context.WithTimeout(ctx, o.timeout)
		defer cancel()
		if _, err := p.deployments.Delete(ctx, name, workload.Options{Wait: true, ServerDryRun: o.dry()}); err != nil {
			return err
		}
	}
	return o.create(ctx, p)
}

func (o *createCanary) create(ctx context.Context, p *canaryPlan) error {
	w := o.write()
	body, err := json.MarshalIndent(p.want, "", "  ")
	if err != nil {
		return fmt.Errorf("print Deployment %s: %w", p.want.GetName(), err)
	}
	w.Show("create", "deployments", p.want.GetName(), body)
	if w.DryRun != traffic.DryRunClient {
		created, err := p.deployments.Create(ctx, p.want, workload.Options{ServerDryRun: o.dry()})
		if err != nil {
			return err
		}
		p.want = created
	}
	where := ""
	if all := workload.OtherImages(p.stable.Object, p.want); len(all) > 1 {
		where = ", in containers " + strings.Join(all, ", ")
	}
	o.note("Deployment %s: created from %s with image %s%s", p.want.GetName(), p.stable.Deployment, p.spec.Image, where)
	return nil
}

// ready waits for the canary's Pods.
func (o *createCanary) ready(ctx context.Context, p *canaryPlan) error {
	if o.dry() || !o.wait {
		return nil
	}
	progress, start := newScreen(o.f.Err), o.f.Clock.Now()
	err := p.deployments.WaitReady(ctx, p.want.GetName(), o.timeout, func(now workload.Progress) {
		text := now.String()
		if progress.live && now.Ready < now.Desired { // a person likes to see that time passes
			text += fmt.Sprintf(", %s", o.f.Clock.Since(start).Round(time.Second))
		}
		progress.show(text)
	})
	if errors.Is(err, workload.ErrNotReady) {
		o.note("%s gets no traffic and stays for inspection; once mended, the same command with --replace starts it afresh, canaryctl delete-canary --version %s removes it",
			p.want.GetName(), p.spec.Version)
	}
	if err != nil {
		return err
	}
	return o.listed(ctx, p)
}

// listedPatience is for a control plane that is busy: endpoints follow ready Pods
// within milliseconds else.
const listedPatience = 10 * time.Second

// listed waits until requests find the canary's Pods. That is no condition: the
// Service may be one that lists none of them.
func (o *createCanary) listed(ctx context.Context, p *canaryPlan) error {
	service := serviceOf(p.route)
	if service == "" {
		return nil
	}
	listed, err := p.deployments.WaitListed(ctx, p.want, service, min(o.timeout, listedPatience))
	if err == nil && !listed {
		o.note("Service %s does not list the Pods of %s yet: requests to it would be answered with 503; kubectl -n %s get endpointslices -l kubernetes.io/service-name=%[1]s shows which it lists",
			service, p.spec.Version, p.route.Namespace)
	}
	return err
}
