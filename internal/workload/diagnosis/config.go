package diagnosis

import (
	"fmt"
	"time"
)

// settling is how long something that a Pod needs may come after it: manifests
// are applied together, in no order.
const settling = 5 * time.Second

// containerConfig: the container cannot be made from what the Pod says: a
// ConfigMap, a Secret or a key of it is missing, or the runtime refuses it.
func containerConfig(s Snapshot) *Problem {
	for _, c := range containers(s) {
		switch c.waiting() {
		case "CreateContainerConfigError":
			return &Problem{
				Reason: MissingConfig,
				What:   fmt.Sprintf("%s cannot be configured: %s", c, oneLine(c.status.State.Waiting.Message)),
				Next: fmt.Sprintf("create what is missing; canaryctl copies no ConfigMap and no Secret, the canary reads those of the stable version: "+
					"kubectl -n %s get configmaps,secrets", c.pod.Namespace),
				Patience: settling,
			}
		case "CreateContainerError", "RunContainerError", "StartError":
			return &Problem{
				Reason:   ContainerRefused,
				What:     fmt.Sprintf("%s cannot be started: %s", c, oneLine(c.status.State.Waiting.Message)),
				Next:     fmt.Sprintf("check the image's command and the securityContext; %s says more", c.kubectl("describe pod")),
				Patience: settling,
			}
		}
	}
	return nil
}

// missingVolume: a volume cannot be mounted, so that the container is never made.
func missingVolume(s Snapshot) *Problem {
	for _, c := range containers(s) {
		if c.waiting() != "ContainerCreating" && c.waiting() != "PodInitializing" {
			continue
		}
		failures := append(eventsOf(s, c.pod, "FailedMount"), eventsOf(s, c.pod, "FailedAttachVolume")...)
		if len(failures) == 0 {
			continue
		}
		return &Problem{
			Reason:   MissingVolume,
			What:     fmt.Sprintf("Pod %s cannot mount a volume: %s", c.pod.Name, oneLine(failures[len(failures)-1].Message)),
			Next:     fmt.Sprintf("create what is missing; %s shows the volumes", c.kubectl("describe pod")),
			Patience: 2 * settling,
		}
	}
	return nil
}
