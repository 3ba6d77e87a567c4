package podstatus

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	before = metav1.NewTime(time.Unix(1e9, 0))
	now    = metav1.NewTime(time.Unix(1e9+60, 0))
)

// The containers of the tests are words: "w" waiting, "r" running, "R" running
// and ready, "0" and "1" ended with that code, "b0" and "b1" waiting to be
// started again after that end.
func statuses(words, prefix string) []corev1.ContainerStatus {
	var out []corev1.ContainerStatus
	for i, word := range strings.Fields(words) {
		yes, no := true, false
		s := corev1.ContainerStatus{Name: prefix + string(rune('a'+i)), Started: &no}
		ended := func(code string) corev1.ContainerState {
			return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: int32(code[0] - '0')}}
		}
		switch word {
		case "w":
			s.State.Waiting = &corev1.ContainerStateWaiting{}
		case "r", "R":
			s.State.Running = &corev1.ContainerStateRunning{}
			s.Started, s.Ready = &yes, word == "R"
		case "0", "1":
			s.State = ended(word)
		default:
			s.State.Waiting = &corev1.ContainerStateWaiting{}
			s.LastTerminationState = ended(word[1:])
		}
		out = append(out, s)
	}
	return out
}

// podOf has as many containers as there are words; "sidecars" of the init
// containers stay.
func podOf(policy corev1.RestartPolicy, init, main []corev1.ContainerStatus, sidecars int) *corev1.Pod {
	pod := &corev1.Pod{Spec: corev1.PodSpec{RestartPolicy: policy}}
	always := corev1.ContainerRestartPolicyAlways
	for i, s := range init {
		c := corev1.Container{Name: s.Name}
		if i < sidecars {
			c.RestartPolicy = &always
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	}
	for _, s := range main {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: s.Name})
	}
	return pod
}

func TestPhase(t *testing.T) {
	const always, onFailure, never = corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever
	for _, tt := range []struct {
		name       string
		policy     corev1.RestartPolicy
		init, main string
		sidecars   int
		stopping   bool
		want       corev1.PodPhase
	}{
		{name: "nothing started", policy: always, main: "w w", want: corev1.PodPending},
		{name: "one of two started", policy: always, main: "r w", want: corev1.PodPending},
		{name: "all started", policy: always, main: "r r", want: corev1.PodRunning},
		{name: "one ended, one not started", policy: always, main: "1 w", want: corev1.PodRunning},
		{name: "crash loop", policy: always, main: "b1", want: corev1.PodRunning},
		{name: "always restarts a success", policy: always, main: "0", want: corev1.PodRunning},
		{name: "stopped for good", policy: always, main: "0 0", stopping: true, want: corev1.PodSucceeded},
		{name: "stopped for good, by force", policy: always, main: "0 1", stopping: true, want: corev1.PodFailed},
		{name: "never, success", policy: never, main: "0 0", want: corev1.PodSucceeded},
		{name: "never, failure", policy: never, main: "0 1", want: corev1.PodFailed},
		{name: "never, one still runs", policy: never, main: "1 r", want: corev1.PodRunning},
		{name: "on failure, success", policy: onFailure, main: "0", want: corev1.PodSucceeded},
		{name: "on failure, again", policy: onFailure, main: "1", want: corev1.PodRunning},
		{name: "on failure, waiting for it", policy: onFailure, main: "b1 0", want: corev1.PodRunning},
		{name: "init runs", policy: always, init: "r", main: "w", want: corev1.PodPending},
		{name: "init fails and will try again", policy: always, init: "1", main: "w", want: corev1.PodPending},
		{name: "init fails for good", policy: never, init: "1", main: "w", want: corev1.PodFailed},
		{name: "init done", policy: always, init: "0", main: "r", want: corev1.PodRunning},
		{name: "sidecar starts", policy: always, init: "w 0", main: "w", sidecars: 1, want: corev1.PodPending},
		{name: "sidecar runs", policy: always, init: "r 0", main: "r", sidecars: 1, want: corev1.PodRunning},
		{name: "sidecar runs beside a finished task", policy: never, init: "r", main: "0", sidecars: 1, want: corev1.PodSucceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			init, main := statuses(tt.init, "init-"), statuses(tt.main, "")
			pod := podOf(tt.policy, init, main, tt.sidecars)
			if got := phase(pod, init, main, tt.stopping); got != tt.want {
				t.Errorf("phase %s, want %s", got, tt.want)
			}
		})
	}
}

func TestAnInjectedSidecarDoesNotKeepATaskAlive(t *testing.T) {
	for words, want := range map[string]corev1.PodPhase{
		"0 r": corev1.PodSucceeded, "1 r": corev1.PodFailed, "0 1": corev1.PodSucceeded, "r r": corev1.PodRunning, "w r": corev1.PodPending,
	} {
		main := statuses(words, "")
		main[1].Name = Sidecar
		pod := podOf(corev1.RestartPolicyNever, nil, main, 0)
		if got := phase(pod, nil, main, false); got != want {
			t.Errorf("%s: phase %s, want %s", words, got, want)
		}
	}
}

func TestConditions(t *testing.T) {
	type row struct {
		kind   corev1.PodConditionType
		status corev1.ConditionStatus
		reason string
	}
	for _, tt := range []struct {
		name       string
		init, main string
		policy     corev1.RestartPolicy
		want       []row
	}{
		{
			name: "waiting for an init container", init: "r", main: "w",
			want: []row{
				{corev1.PodReadyToStartContainers, "True", ""}, {corev1.PodInitialized, "False", "ContainersNotInitialized"},
				{corev1.PodReady, "False", "ContainersNotReady"}, {corev1.ContainersReady, "False", "ContainersNotReady"}, {corev1.PodScheduled, "True", ""},
			},
		},
		{
			name: "ready", main: "R R",
			want: []row{
				{corev1.PodReadyToStartContainers, "True", ""}, {corev1.PodInitialized, "True", ""},
				{corev1.PodReady, "True", ""}, {corev1.ContainersReady, "True", ""}, {corev1.PodScheduled, "True", ""},
			},
		},
		{
			name: "completed", main: "0", policy: corev1.RestartPolicyNever,
			want: []row{
				{corev1.PodReadyToStartContainers, "False", ""}, {corev1.PodInitialized, "True", "PodCompleted"},
				{corev1.PodReady, "False", "PodCompleted"}, {corev1.ContainersReady, "False", "PodCompleted"}, {corev1.PodScheduled, "True", ""},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := Facts{PodIP: "10.244.0.2", Init: statuses(tt.init, "init-"), Main: statuses(tt.main, "")}
			status := Compute(podOf(tt.policy, f.Init, f.Main, 0), f, now)
			var got []row
			for _, c := range status.Conditions {
				got = append(got, row{c.Type, c.Status, c.Reason})
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(row{})); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConditionsKeepTheirTimesAndThoseOfOthers(t *testing.T) {
	f := Facts{PodIP: "10.244.0.2", Main: statuses("r", "")}
	pod := podOf(corev1.RestartPolicyAlways, nil, f.Main, 0)
	foreign := corev1.PodCondition{Type: "shop/warm", Status: corev1.ConditionFalse, LastTransitionTime: before}
	pod.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: before}, foreign,
	}
	pod.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "shop/warm"}}
	f.Main[0].Ready = true
	status := Compute(pod, f, now)
	if got := find(status.Conditions, corev1.PodScheduled).LastTransitionTime; got != before {
		t.Errorf("PodScheduled has held since %s, and says %s", before, got)
	}
	if got := find(status.Conditions, corev1.PodInitialized).LastTransitionTime; got != now {
		t.Errorf("Initialized is new at %s, and says %s", now, got)
	}
	if diff := cmp.Diff(foreign, find(status.Conditions, "shop/warm")); diff != "" {
		t.Errorf("somebody else's condition (-want +got):\n%s", diff)
	}
	if got := find(status.Conditions, corev1.PodReady); got.Reason != "ReadinessGatesNotReady" {
		t.Errorf("a closed readiness gate left Ready %s %s", got.Status, got.Reason)
	}
}
