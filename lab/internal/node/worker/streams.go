package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/canaryctl/canaryctl/lab/internal/node/logs"
	"github.com/canaryctl/canaryctl/lab/internal/node/process"
)

// ErrNoContainer says that the Pod has no such container, or that it has not
// started yet.
var ErrNoContainer = errors.New("container not found")

// lastRun returns the last run of a container.
func (w *Worker) lastRun(name string) (*run, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if run, ok := w.runs[name]; ok {
		return run, nil
	}
	return nil, fmt.Errorf("container %q of Pod %s/%s: %w, or not started yet", name, w.latest.Namespace, w.latest.Name, ErrNoContainer)
}

// Attach connects to the streams of a container.
func (w *Worker) Attach(ctx context.Context, container string, s process.Streams) error {
	run, err := w.lastRun(container)
	if err != nil {
		return err
	}
	return run.process.Attach(ctx, s)
}

// Exec runs a command in a container.
func (w *Worker) Exec(ctx context.Context, container string, argv []string, tty bool, s process.Streams) (process.Exit, error) {
	run, err := w.lastRun(container)
	if err != nil {
		return process.Exit{}, err
	}
	command := run.command
	command.Argv, command.TTY, command.Stdin = argv, tty, s.Stdin != nil
	if tty {
		command.Env = append([]string{"TERM=xterm"}, command.Env...)
	}
	return run.process.Exec(ctx, command, s)
}

// ReadLog reads the log of a container's present run, or of the one before.
func (w *Worker) ReadLog(ctx context.Context, container string, previous bool, o logs.Options, out io.Writer) error {
	status, err := w.shown(container)
	if err != nil {
		return err
	}
	restart := status.RestartCount
	if run, err := w.lastRun(container); err == nil {
		restart = run.restart
	}
	if previous {
		restart--
	}
	err = w.Logs.Read(ctx, logs.Run{Pod: w.uid, Container: container, Restart: restart}, o, out)
	if !errors.Is(err, logs.ErrNone) {
		return err
	}
	switch pod := w.name(); {
	case previous:
		return noLog(fmt.Sprintf("previous terminated container %q in pod %q not found", container, pod))
	case status.State.Waiting != nil:
		return noLog(fmt.Sprintf("container %q in pod %q is waiting to start: %s", container, pod, status.State.Waiting.Reason))
	default:
		return noLog(fmt.Sprintf("the log of container %q in pod %q is not available", container, pod))
	}
}

// noLog says why there is no log, in words that "kubectl logs" can show as they
// are.
type noLog string

func (n noLog) Error() string { return string(n) }

// Unwrap makes it a logs.ErrNone.
func (noLog) Unwrap() error { return logs.ErrNone }

// shown returns what the API says of a container. One of whom it says nothing
// yet is waiting.
func (w *Worker) shown(name string) (corev1.ContainerStatus, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	pod := w.latest
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if status.Name == name {
			return status, nil
		}
	}
	for _, spec := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if spec.Name == name {
			waiting := &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
			return corev1.ContainerStatus{Name: name, State: corev1.ContainerState{Waiting: waiting}}, nil
		}
	}
	return corev1.ContainerStatus{}, fmt.Errorf("container %q of Pod %s/%s: %w", name, pod.Namespace, pod.Name, ErrNoContainer)
}

func (w *Worker) name() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.latest.Name
}

// Dial connects to a port of the Pod.
func (w *Worker) Dial(ctx context.Context, port uint16) (net.Conn, error) {
	w.mu.Lock()
	ip := w.latest.Status.PodIP
	w.mu.Unlock()
	if ip == "" {
		return nil, fmt.Errorf("pod %q has no address yet", w.name())
	}
	return w.Net.DialContext(ctx, "tcp", net.JoinHostPort(ip, strconv.Itoa(int(port))))
}
