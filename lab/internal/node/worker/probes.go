package worker

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/canaryctl/canaryctl/lab/internal/node/probe"
	"github.com/canaryctl/canaryctl/lab/internal/node/process"
)

// probe begins to ask the container that has just started. While a startup
// probe has no success, the others wait.
func (w *Worker) probe(c *container) {
	if c.spec.StartupProbe != nil {
		c.run.startup = w.prober(c, c.spec.StartupProbe, "Startup")
		return
	}
	w.probeOn(c)
}

func (w *Worker) probeOn(c *container) {
	c.run.asked = true
	if c.spec.ReadinessProbe != nil {
		c.run.ready = w.prober(c, c.spec.ReadinessProbe, "Readiness")
	}
	if c.spec.LivenessProbe != nil {
		c.run.liveness = w.prober(c, c.spec.LivenessProbe, "Liveness")
	}
}

// prober starts one probe, which ends with the run.
func (w *Worker) prober(c *container, spec *corev1.Probe, kind string) *probe.Prober {
	run, holder := c.run, &container{spec: c.spec, init: c.init}
	p := &probe.Prober{
		Spec:    spec,
		Check:   probe.NewCheck(spec.ProbeHandler, run.target),
		Clock:   w.Clock,
		Changed: w.poke,
		Failed: func(err error) {
			w.event(holder, corev1.EventTypeWarning, "Unhealthy", fmt.Sprintf("%s probe failed: %v", kind, err))
		},
	}
	run.probes.Go(func() { p.Run(run.probing) })
	return p
}

// supervise draws the conclusions from what the probes found.
func (w *Worker) supervise(c *container) {
	run := c.run
	started := run.startup == nil || run.startup.Result() == probe.Success
	if started && !run.asked {
		w.probeOn(c)
	}
	c.started(started)
	c.status.Ready = started && (run.ready == nil || run.ready.Result() == probe.Success)
	switch {
	case run.startup != nil && run.startup.Result() == probe.Failure:
		w.stop(c, w.probeGrace(c.spec.StartupProbe), fmt.Sprintf("Container %s failed startup probe, will be restarted", c.spec.Name))
	case run.liveness != nil && run.liveness.Result() == probe.Failure:
		w.stop(c, w.probeGrace(c.spec.LivenessProbe), fmt.Sprintf("Container %s failed liveness probe, will be restarted", c.spec.Name))
	}
}

// target is what probes and hooks of a container ask.
func (w *Worker) target(c *corev1.Container, r *run) probe.Target {
	return probe.Target{
		IP:   w.ip.String(),
		Spec: c,
		Dial: w.Net.DialContext,
		Exec: func(ctx context.Context, argv []string) (int, string, error) {
			command := r.command
			command.Argv, command.TTY, command.Stdin = argv, false, false
			out := &head{}
			exit, err := r.process.Exec(ctx, command, process.Streams{Stdout: out, Stderr: out})
			return exit.Code, out.String(), err
		},
	}
}

// probeGrace is how long a container gets that failed the probe.
func (w *Worker) probeGrace(p *corev1.Probe) time.Duration {
	if p.TerminationGracePeriodSeconds != nil {
		return time.Duration(*p.TerminationGracePeriodSeconds) * time.Second
	}
	return w.grace()
}
