package worker

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// reap takes note of the runs that have ended.
func (w *Worker) reap() {
	for _, c := range w.all() {
		if c.run == nil {
			continue
		}
		select {
		case <-c.run.process.Done():
			w.ended(c)
		default:
		}
	}
}

func (w *Worker) ended(c *container) {
	run := c.run
	run.cancel()
	run.probes.Wait()
	w.unlisten(run.ports)
	exit := run.process.Exit()
	reason := "Completed"
	if exit.Code != 0 {
		reason = "Error"
	}
	c.run = nil
	c.end(&corev1.ContainerStateTerminated{
		ExitCode:    int32(exit.Code),
		Signal:      int32(exit.Signal),
		Reason:      reason,
		StartedAt:   c.status.State.Running.StartedAt,
		FinishedAt:  metav1.NewTime(run.process.Ended()),
		ContainerID: c.status.ContainerID,
	})
}
