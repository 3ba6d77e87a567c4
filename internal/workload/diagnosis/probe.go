package diagnosis

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// livenessProbe: the kubelet restarts a container because it does not answer.
func livenessProbe(s Snapshot) *Problem {
	return killingProbe(s, LivenessProbe, "Liveness", "liveness")
}

// startupProbe: the kubelet restarts a container because it took too long.
func startupProbe(s Snapshot) *Problem {
	return killingProbe(s, StartupProbe, "Startup", "startup")
}

// killingProbe looks for a container that has failed the probe and was killed
// for it: a process that crashes by itself also fails its probes on the way.
func killingProbe(s Snapshot, reason Reason, prefix, name string) *Problem {
	for _, c := range containers(s) {
		message, failed := unhealthy(s, c, prefix)
		if !failed || c.status.Ready || !killed(s, c, name) {
			continue
		}
		return &Problem{
			Reason: reason,
			What:   fmt.Sprintf("%s fails its %s probe and is restarted (%s): %s", c, name, restarts(c), message),
			Next:   fmt.Sprintf("%s shows what it said; %s shows the probe", c.logs("--previous"), c.kubectl("describe pod")),
		}
	}
	return nil
}

// killed reports whether the kubelet ended the container for the probe's sake.
// It announces that; once the announcement has expired, an end by a signal, or
// an orderly one, tells that the process did not end of itself.
func killed(s Snapshot, c container, probe string) bool {
	for _, e := range eventsOf(s, c.pod, "Killing") {
		if strings.Contains(e.Message, " "+c.status.Name+" failed "+probe+" probe") {
			return c.status.RestartCount > 0
		}
	}
	end := c.ended()
	return c.status.RestartCount > 0 && end != nil &&
		(end.ExitCode == 0 || end.ExitCode == 128+9 || end.ExitCode == 128+15)
}

// readinessProbe: a container runs and says, or lets us see, that it is not
// ready. It may be starting, so it is given twice what its probe allows for and
// no less than slowStart.
func readinessProbe(s Snapshot) *Problem {
	const slowStart = 30 * time.Second
	for _, c := range containers(s) {
		message, failed := unhealthy(s, c, "Readiness")
		if !failed || c.status.State.Running == nil || c.status.Ready {
			continue
		}
		return &Problem{
			Reason:   ReadinessProbe,
			What:     fmt.Sprintf("%s runs but fails its readiness probe: %s", c, message),
			Next:     fmt.Sprintf("%s shows what it says; %s shows the probe", c.logs(), c.kubectl("describe pod")),
			Patience: max(slowStart, 2*allowance(c.spec.ReadinessProbe)),
		}
	}
	return nil
}

// allowance is how long a probe lets a container be unready before it counts.
func allowance(p *corev1.Probe) time.Duration {
	if p == nil {
		return 0
	}
	return time.Duration(p.InitialDelaySeconds+p.PeriodSeconds*p.FailureThreshold) * time.Second
}

// unhealthy returns what the kubelet last reported of a probe of the container.
// The events of a Pod do not name the container, except by their field path
// (spec.containers{app}).
func unhealthy(s Snapshot, c container, prefix string) (message string, failed bool) {
	for _, e := range eventsOf(s, c.pod, "Unhealthy") {
		path := e.InvolvedObject.FieldPath
		if path != "" && !strings.HasSuffix(path, "{"+c.status.Name+"}") {
			continue
		}
		if rest, ok := strings.CutPrefix(e.Message, prefix+" probe "); ok {
			message, failed = oneLine(strings.TrimPrefix(rest, "failed: ")), true
		}
	}
	return message, failed
}
