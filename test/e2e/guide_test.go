package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// TestGuide types the lab guide's own lines, sections 5 to 9, 13, 14, 16 and
// 18, in the guide's order and in the namespace it uses.
func TestGuide(t *testing.T) {
	t.Cleanup(func() {
		try(t, "kubectl delete --ignore-not-found -f k8s/canary -f k8s/base")
	})

	t.Run("5 base", func(t *testing.T) {
		sh(t, "kubectl apply -f k8s/base/deployment-v1.yaml")
		sh(t, "kubectl apply -f k8s/base/destinationrule.yaml")
		sh(t, "kubectl apply -f k8s/base/virtualservice.yaml")
		sh(t, "kubectl rollout status deploy/versioned-echo-v1")
		confirmObjects(t)
		wantShare(t, "versioned-echo", "v2", 0, 200)
	})

	t.Run("6 sidecar", func(t *testing.T) {
		const list = `kubectl get pod -l app=versioned-echo,version=v1 -o jsonpath='{range .items[*]}{.metadata.name}{" => containers: "}{.spec.containers[*].name}{"\n"}{end}'`
		r := sh(t, list)
		lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
		for _, line := range lines {
			if !strings.Contains(line, "=> containers: ") || !strings.Contains(line, "istio-proxy") {
				t.Errorf("no sidecar in %q\n%s", line, r)
			}
		}
		sh(t, "kubectl label ns default istio-injection=enabled --overwrite")
		sh(t, "kubectl rollout restart deploy/versioned-echo-v1")
		sh(t, "kubectl rollout status deploy/versioned-echo-v1")
	})

	t.Run("7.1 canary by YAML", func(t *testing.T) {
		sh(t, "kubectl apply -f k8s/canary/deployment-v2.yaml")
		sh(t, "kubectl rollout status deploy/versioned-echo-v2")
		wantShare(t, "versioned-echo", "v2", 0, 200)
	})

	t.Run("8.1 weights by YAML", func(t *testing.T) {
		for file, share := range map[string]float64{"vs-90-10": .1, "vs-70-30": .3, "vs-50-50": .5, "vs-0-100": 1} {
			sh(t, "kubectl apply -f k8s/canary/"+file+".yaml")
			wantShare(t, "versioned-echo", "v2", share, 600)
		}
		sh(t, "kubectl apply -f k8s/base/virtualservice.yaml")
		sh(t, "kubectl delete -f k8s/canary/deployment-v2.yaml")
	})

	t.Run("7.2 canary by canaryctl", func(t *testing.T) {
		sh(t, `canaryctl --ns default --app versioned-echo create-canary \
  --image versioned-echo:v2 --replicas 2`)
		sh(t, "kubectl rollout status deploy/versioned-echo-v2")
		wantShare(t, "versioned-echo", "v2", 0, 200)
		// The same call again changes nothing.
		before := sh(t, "kubectl get deploy/versioned-echo-v2 vs/versioned-echo-virtualservice dr/versioned-echo -o jsonpath='{.items[*].metadata.resourceVersion}'").Stdout
		sh(t, "canaryctl --ns default --app versioned-echo create-canary --image versioned-echo:v2 --replicas 2")
		after := sh(t, "kubectl get deploy/versioned-echo-v2 vs/versioned-echo-virtualservice dr/versioned-echo -o jsonpath='{.items[*].metadata.resourceVersion}'").Stdout
		if before != after {
			t.Errorf("the second create-canary wrote: resourceVersions %s, then %s", before, after)
		}
	})

	t.Run("8.2 weights by canaryctl", func(t *testing.T) {
		for _, w := range []struct {
			weights string
			share   float64
		}{{"90 10", .1}, {"70 30", .3}, {"50 50", .5}} {
			sh(t, "canaryctl set-traffic "+w.weights+" --vs versioned-echo-virtualservice --host versioned-echo")
			wantShare(t, "versioned-echo", "v2", w.share, 600)
		}
		sh(t, "canaryctl rollback --vs versioned-echo-virtualservice --host versioned-echo")
		wantShare(t, "versioned-echo", "v2", 0, 200)
	})

	t.Run("9 curl loop", func(t *testing.T) {
		sh(t, "kubectl apply -f k8s/canary/vs-50-50.yaml")
		curlLoop(t)
	})

	t.Run("13 objects", func(t *testing.T) {
		confirmObjects(t)
		r := sh(t, "kubectl describe virtualservice versioned-echo-virtualservice")
		if !strings.Contains(r.Stdout, "Weight") {
			t.Errorf("no weights described\n%s", r)
		}
	})

	t.Run("18 checks", guideChecks)

	t.Run("14 rollback and recovery", func(t *testing.T) {
		sh(t, "canaryctl rollback --vs versioned-echo-virtualservice --host versioned-echo")
		wantShare(t, "versioned-echo", "v2", 0, 200)
		sh(t, "kubectl delete deploy/versioned-echo-v2")
		sh(t, "canaryctl delete-canary")
		sh(t, "canaryctl delete-canary") // nothing left to do is not an error
		sh(t, "kubectl rollout restart deploy/versioned-echo-v1")
		sh(t, "kubectl rollout status deploy/versioned-echo-v1")
		wantShare(t, "versioned-echo", "v2", 0, 200)
	})

	t.Run("16 clean up", func(t *testing.T) {
		sh(t, "kubectl delete -f k8s/canary --ignore-not-found")
		sh(t, "kubectl delete -f k8s/base --ignore-not-found")
		eventually(t, time.Minute, func() (bool, string) {
			r := sh(t, "kubectl get deploy,pod,svc,vs,dr -l app=versioned-echo -o name")
			return strings.TrimSpace(r.Stdout) == "", r.String()
		})
	})
}

func confirmObjects(t *testing.T) {
	t.Helper()
	r := sh(t, "kubectl get deploy,svc -l app=versioned-echo")
	for _, want := range []string{"deployment.apps/versioned-echo-v1", "service/versioned-echo"} {
		if !strings.Contains(r.Stdout, want) {
			t.Errorf("no %s\n%s", want, r)
		}
	}
	r = sh(t, "kubectl get destinationrule,virtualservice")
	for _, want := range []string{"destinationrule.networking.istio.io/versioned-echo", "virtualservice.networking.istio.io/versioned-echo-virtualservice"} {
		if !strings.Contains(r.Stdout, want) {
			t.Errorf("no %s\n%s", want, r)
		}
	}
}

func guideChecks(t *testing.T) {
	r := sh(t, `kubectl get pods -l app=versioned-echo -o=jsonpath='{range .items[*]}{.metadata.name}{" => "}{.metadata.labels.version}{"\n"}{end}'`)
	for _, v := range []string{"=> v1", "=> v2"} {
		if !strings.Contains(r.Stdout, v) {
			t.Errorf("no Pod %s\n%s", v, r)
		}
	}
	sh(t, "kubectl get virtualservice versioned-echo-virtualservice -o yaml")
	sh(t, "kubectl describe virtualservice versioned-echo-virtualservice")
	sh(t, "kubectl describe destinationrule versioned-echo")

	// `kubectl port-forward svc/versioned-echo 8080:80`, then curl. Should 8080
	// be taken on this machine, another port is as good a proof.
	port := freePort(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(lab.Bin, "kubectl"), "port-forward", "svc/versioned-echo", port+":80")
	cmd.Env = lab.Env()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, "Forwarding from") {
		t.Fatalf("port-forward said %q, %v", line, err)
	}
	resp, err := http.Get("http://localhost:" + port + "/version")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || !regexp.MustCompile(`^\{"version":"v[12]"\}\n?$`).Match(body) {
		t.Errorf("through port-forward: %q, %v", body, err)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// curlLoop runs the guide's loop in a terminal until both versions answered,
// interrupts it as a person does, and sees the Pod go.
func curlLoop(t *testing.T) {
	const loop = `kubectl run curl --image=curlimages/curl -it --rm --restart=Never -- \
  sh -lc 'while true; do echo -n "$(date) -> "; curl -s http://versioned-echo/version; sleep 1; done'`
	cmd := exec.CommandContext(t.Context(), "bash", "-c", loop)
	cmd.Env, cmd.Dir = lab.Env(), lab.Root
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	answer := regexp.MustCompile(`-> \{"version":"(v[12])"\}`)
	seen, said := map[string]int{}, new(strings.Builder)
	lines := make(chan string)
	go func() { // ends when the terminal does
		defer close(lines)
		for s := bufio.NewScanner(tty); s.Scan(); {
			lines <- s.Text()
		}
	}()
	deadline := time.After(90 * time.Second)
	interrupted := false
	for open := true; open; {
		select {
		case line, ok := <-lines:
			open = ok
			fmt.Fprintln(said, line)
			if m := answer.FindStringSubmatch(line); m != nil {
				seen[m[1]]++
			}
		case <-deadline:
			t.Fatalf("the loop did not show both versions and end: %v\n%s", seen, said)
		}
		if len(seen) == 2 && !interrupted {
			interrupted = true
			if _, err := tty.Write([]byte{3}); err != nil { // Ctrl-C
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // kubectl reports the loop's own exit code, 130
	if !strings.Contains(said.String(), `pod "curl" deleted`) {
		t.Errorf("--rm did not remove the Pod:\n%s", said)
	}
}
