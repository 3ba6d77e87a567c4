package worker

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/canaryctl/canaryctl/lab/internal/podnet"
)

type runtimeObject = runtime.Object

func httpProbe(path string) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("http")}},
		PeriodSeconds: 1, TimeoutSeconds: 5, FailureThreshold: 1,
	}
}

// get asks the Pod over the Pod network.
func (c *cluster) get(path string) (int, string, error) {
	client := http.Client{Transport: &http.Transport{DialContext: c.node.Net.DialContext, DisableKeepAlives: true}}
	resp, err := client.Get("http://" + c.pod().Status.PodIP + ":8080" + path)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

func TestAServerBecomesReadyAndIsRestartedWhenItsLivenessProbeFails(t *testing.T) {
	c := newCluster(t)
	app := server(t)
	app.ReadinessProbe, app.LivenessProbe = httpProbe("/"), httpProbe("/")
	c.run(newPod(corev1.RestartPolicyAlways, app))
	ready := func(p *corev1.Pod) bool { return condition(p, corev1.PodReady) == corev1.ConditionTrue }
	c.waitFor("the Pod is ready", ready)
	pod := c.pod()
	if pod.Status.Phase != corev1.PodRunning || pod.Status.HostIP != "10.0.0.1" || pod.Status.StartTime == nil ||
		!strings.HasPrefix(status(pod, 0).ContainerID, "process://") || !strings.Contains(status(pod, 0).ImageID, "sha256:") {
		t.Errorf("status of a ready Pod: %+v", pod.Status)
	}
	if code, body, err := c.get("/"); code != http.StatusOK || body != "web" {
		t.Errorf("over the Pod network: %d %q %v", code, body, err)
	}
	if _, _, err := c.get("/break"); err != nil {
		t.Fatal(err)
	}
	c.waitForEvent("Unhealthy Liveness probe failed: HTTP probe failed with statuscode: 500")
	c.waitForEvent("Killing Container app failed liveness probe, will be restarted")
	c.waitFor("it was restarted and is ready again", func(p *corev1.Pod) bool {
		return status(p, 0).RestartCount == 1 && ready(p)
	})
	if last := status(c.pod(), 0).LastTerminationState.Terminated; last == nil || last.Reason != "Error" {
		t.Errorf("the last termination is %+v", last)
	}
	for _, event := range []string{`Pulled Container image "busybox" already present`, "Created Created container: app", "Started Started container app"} {
		if !c.events.has(event) {
			t.Errorf("no event %q", event)
		}
	}
}

func TestCrashLoop(t *testing.T) {
	c := newCluster(t)
	c.run(newPod(corev1.RestartPolicyAlways, shell("app", "echo run; exit 3")))
	c.waitFor("it is restarted again and again, with pauses", func(p *corev1.Pod) bool {
		return status(p, 0).RestartCount >= 3 && waiting(p, 0) == "CrashLoopBackOff"
	})
	pod := c.pod()
	if last := status(pod, 0).LastTerminationState.Terminated; last == nil || last.ExitCode != 3 || last.Reason != "Error" {
		t.Errorf("the last termination is %+v", last)
	}
	if message := status(pod, 0).State.Waiting.Message; !strings.Contains(message, "restarting failed container=app pod=web_shop(uid-1)") {
		t.Errorf("message %q", message)
	}
	if !c.events.has("BackOff Back-off restarting failed container app in pod web_shop(uid-1)") {
		t.Error("no BackOff event")
	}
}

func TestRunToCompletion(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		policy       corev1.RestartPolicy
		want         corev1.PodPhase
		restarts     int32
	}{
		{"success", "exit 0", corev1.RestartPolicyNever, corev1.PodSucceeded, 0},
		{"failure", "exit 1", corev1.RestartPolicyNever, corev1.PodFailed, 0},
		{"success at the second attempt", "test -e $HOME/x && exit 0; touch $HOME/x; exit 1", corev1.RestartPolicyOnFailure, corev1.PodSucceeded, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t)
			// The stand-in for the mesh's sidecar leaves when the work is done.
			proxy := corev1.Container{Name: "istio-proxy", Image: "docker.io/istio/proxyv2:1.31.1"}
			c.run(newPod(tt.policy, shell("task", tt.script), proxy))
			c.waitForPhase(tt.want)
			c.worker.Update(c.pod()) // as the informer does
			if got := status(c.pod(), 0).RestartCount; got != tt.restarts {
				t.Errorf("%d restarts, want %d", got, tt.restarts)
			}
			c.waitFor("the sidecar has ended", func(p *corev1.Pod) bool { return status(p, 1).State.Terminated != nil })
		})
	}
}

func TestInitContainersAndSidecars(t *testing.T) {
	c := newCluster(t)
	always := corev1.ContainerRestartPolicyAlways
	sidecar := shell("sidecar", "echo there > $LAB_ROOT/data/side; trap 'exit 0' TERM; while :; do sleep 0.01; done")
	sidecar.RestartPolicy = &always
	mount := []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	pod := newPod(corev1.RestartPolicyNever, shell("app", "while ! test -e $LAB_ROOT/data/side; do sleep 0.01; done; cat $LAB_ROOT/data/first"))
	pod.Spec.InitContainers = []corev1.Container{shell("first", "test ! -e $LAB_ROOT/data/side && echo one > $LAB_ROOT/data/first"), sidecar}
	pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			list[i].VolumeMounts = mount
		}
	}
	c.run(pod)
	c.waitForPhase(corev1.PodSucceeded)
	if got := c.log("app"); got != "one\n" {
		t.Errorf("the container found %q", got)
	}
	c.waitFor("the sidecar has ended", func(p *corev1.Pod) bool {
		return p.Status.InitContainerStatuses[1].State.Terminated != nil
	})
	if !c.events.has("MountedUnderLabRoot") {
		t.Error("nobody was told where the mounts are")
	}
}

func TestImagesAreWaitedFor(t *testing.T) {
	c := newCluster(t)
	pod := newPod(corev1.RestartPolicyAlways, corev1.Container{Name: "app", Image: "shop:v9"})
	c.run(pod)
	c.waitFor("the image is missed", func(p *corev1.Pod) bool { return waiting(p, 0) == "ErrImagePull" })
	c.waitFor("and waited for", func(p *corev1.Pod) bool {
		return waiting(p, 0) == "ImagePullBackOff" || waiting(p, 0) == "ErrImagePull"
	})
	if message := status(c.pod(), 0).State.Waiting.Message; !strings.Contains(message, "canary-lab load shop:v9=PATH") {
		t.Errorf("message %q does not say what to do", message)
	}
	program := filepath.Join(t.TempDir(), "shop")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := c.node.Images.Load("shop:v9", program); err != nil {
		t.Fatal(err)
	}
	c.worker.Reload()
	c.waitForPhase(corev1.PodRunning)
}

func TestMissingConfigMapIsWaitedFor(t *testing.T) {
	c := newCluster(t)
	app := shell("app", "echo $LEVEL; exec sleep 1000")
	app.Env = []corev1.EnvVar{{Name: "LEVEL", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}, Key: "level",
	}}}}
	c.run(newPod(corev1.RestartPolicyAlways, app))
	c.waitFor("its absence shows", func(p *corev1.Pod) bool { return waiting(p, 0) == "CreateContainerConfigError" })
	_, err := c.client.CoreV1().ConfigMaps(namespace).Create(context.Background(),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "settings"}, Data: map[string]string{"level": "debug"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c.waitForPhase(corev1.PodRunning)
	eventually(t, "the container has its value", func() bool { return c.log("app") == "debug\n" })
}

func TestUnknownCommandIsAStartError(t *testing.T) {
	c := newCluster(t)
	c.run(newPod(corev1.RestartPolicyNever, corev1.Container{Name: "app", Image: "busybox", Command: []string{"no-such-program"}}))
	c.waitForPhase(corev1.PodFailed)
	ended := status(c.pod(), 0).State.Terminated
	if ended == nil || ended.Reason != "StartError" || ended.ExitCode != 128 || !strings.Contains(ended.Message, "executable file not found") {
		t.Errorf("terminated %+v", ended)
	}
}

func TestDelete(t *testing.T) {
	c := newCluster(t)
	app := shell("app", "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.01; done")
	app.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{
		Command: []string{"sh", "-c", "echo hook > $HOME/../../../hook"},
	}}}
	c.run(newPod(corev1.RestartPolicyAlways, app))
	eventually(t, "it is up", func() bool { return c.log("app") == "up\n" })
	ip := c.pod().Status.PodIP
	c.delete(5)
	eventually(t, "the Pod is gone from the API", func() bool {
		_, err := c.client.CoreV1().Pods(namespace).Get(context.Background(), "web", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
	if got := c.log("app"); !strings.Contains(got, "\nasked\n") {
		t.Errorf("the container said %q", got)
	}
	if hook, err := os.ReadFile(filepath.Join(c.node.Dir, "hook")); err != nil || string(hook) != "hook\n" {
		t.Errorf("preStop left %q, %v", hook, err)
	}
	if !c.events.has("Killing Stopping container app") {
		t.Error("no Killing event")
	}
	c.worker.Gone()
	<-c.done
	if left, _ := os.ReadDir(c.node.Dir); len(left) != 1 { // the hook's file
		t.Errorf("the Pod left %v behind", left)
	}
	if _, err := c.node.Net.DialContext(context.Background(), "tcp", ip+":8080"); !errors.Is(err, podnet.ErrUnknown) {
		t.Errorf("the address of the Pod: %v", err)
	}
}

func TestDeleteWithoutGraceDoesNotWait(t *testing.T) {
	c := newCluster(t)
	c.run(newPod(corev1.RestartPolicyAlways, shell("app", "trap '' TERM; echo up; while :; do sleep 0.01; done")))
	eventually(t, "it is up", func() bool { return c.log("app") == "up\n" })
	c.delete(3600)
	c.waitFor("it is no longer ready", func(p *corev1.Pod) bool { return condition(p, corev1.PodReady) == corev1.ConditionFalse })
	c.delete(0) // "kubectl delete --now" after a plain one
	eventually(t, "the Pod is gone from the API", func() bool {
		_, err := c.client.CoreV1().Pods(namespace).Get(context.Background(), "web", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

func TestPodsOfAFormerLabAreStartedAgain(t *testing.T) {
	c := newCluster(t)
	c.run(newPod(corev1.RestartPolicyAlways, shell("app", "echo up; exec sleep 1000")))
	c.waitForPhase(corev1.PodRunning)
	eventually(t, "it is up", func() bool { return c.log("app") == "up\n" })
	c.end() // the lab stops, and leaves the Pod in the API
	if got := c.pod().Status.Phase; got != corev1.PodRunning {
		t.Fatalf("the Pod of a stopped lab is %s", got)
	}
	c.resume(c.pod())
	c.waitFor("it was restarted", func(p *corev1.Pod) bool {
		return status(p, 0).RestartCount == 1 && status(p, 0).State.Running != nil
	})
	if last := status(c.pod(), 0).LastTerminationState.Terminated; last == nil || last.Reason != "ContainerStatusUnknown" {
		t.Errorf("the last termination is %+v", last)
	}
}

func TestEnvironmentOfAContainer(t *testing.T) {
	c := newCluster(t)
	c.node.Path += ":/opt/some where"
	app := shell("app", "env | sort; sh -lc 'echo login $PATH'; exec sleep 1000")
	app.Env = []corev1.EnvVar{{Name: "PORT", Value: "8080"}, {Name: "ADDR", Value: ":$(PORT)"}}
	app.Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {Name: "admin-ui", ContainerPort: 9090}}
	c.run(newPod(corev1.RestartPolicyAlways, app))
	eventually(t, "it has told its environment", func() bool { return strings.Contains(c.log("app"), "login") })
	log := c.log("app")
	for _, want := range []string{"POD_NAME=web", "HOST=127.0.0.1", "http_proxy=http://shop:web@127.0.0.1:15001", "no_proxy=localhost,127.0.0.1", "login " + c.node.ToolDir + ":"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in:\n%s", want, log)
		}
	}
	if !strings.HasSuffix(log, ":/opt/some where\n") {
		t.Errorf("a login shell does not find what others do:\n%s", log)
	}
	vars := map[string]string{}
	for line := range strings.Lines(log) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		vars[name] = value
	}
	port := vars["PORT"]
	if port == "8080" || port == "" || vars["PORT_HTTP"] != port || vars["ADDR"] != ":"+port || vars["PORT_ADMIN_UI"] == port {
		t.Errorf("ports: %v", vars)
	}
}
