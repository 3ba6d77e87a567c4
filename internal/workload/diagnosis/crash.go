package diagnosis

import (
	"fmt"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"
)

// outOfMemory: the kernel killed a container at its memory limit.
func outOfMemory(s Snapshot) *Problem {
	for _, c := range containers(s) {
		if end := c.ended(); end == nil || end.Reason != "OOMKilled" || c.status.Ready {
			continue
		}
		limit := "none"
		if q, ok := c.spec.Resources.Limits[corev1.ResourceMemory]; ok {
			limit = q.String()
		}
		return &Problem{
			Reason: OutOfMemory,
			What:   fmt.Sprintf("%s was killed for using more memory than it may (limit %s, %s)", c, limit, restarts(c)),
			Next:   "raise the memory limit in the stable Deployment, from which the canary takes it, or make the new version use less",
		}
	}
	return nil
}

// crashLoop: a container ends over and over. The kubelet says so once it waits
// before the next start; a Pod that never restarts its containers just fails.
func crashLoop(s Snapshot) *Problem {
	for _, c := range containers(s) {
		end := c.ended()
		if end == nil || c.waiting() != "CrashLoopBackOff" && c.pod.Status.Phase != corev1.PodFailed {
			continue
		}
		p := &Problem{
			Reason: CrashLoop,
			What:   fmt.Sprintf("%s crashes: it ended with %s (%s)", c, exitWords(end), restarts(c)),
			Next:   fmt.Sprintf("%s shows what it said last", c.logs("--previous")),
		}
		if end.Message != "" {
			p.What += ": " + oneLine(end.Message)
		}
		return p
	}
	return nil
}

func restarts(c container) string {
	if c.status.RestartCount == 1 {
		return "1 restart"
	}
	return fmt.Sprintf("%d restarts", c.status.RestartCount)
}

// exitWords says what an exit code means by the conventions of shells and
// container runtimes: 126 and 127 for a command that cannot be run or is not
// there, 128+n for signal n.
func exitWords(end *corev1.ContainerStateTerminated) string {
	words := fmt.Sprintf("exit code %d", end.ExitCode)
	switch code := end.ExitCode; {
	case code == 0:
		return words + ", though it should keep running"
	case code == 126:
		return words + ", its command cannot be executed"
	case code == 127 || strings.Contains(end.Reason, "ContainerCannotRun"):
		return words + ", its command was not found"
	case code > 128 && code < 128+65:
		return fmt.Sprintf("%s, %v", words, syscall.Signal(code-128))
	}
	return words
}
