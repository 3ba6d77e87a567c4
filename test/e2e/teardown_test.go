package e2e

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/test/labtest"
)

// TestNothingIsLeft ends labs beside the one of the other tests, in both ways;
// neither leaves a process or an open port, Pods' processes and their children
// included.
func TestNothingIsLeft(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*testing.T, *labtest.Lab)
	}{
		{"down", func(t *testing.T, l *labtest.Lab) {
			if err := l.Down(t.Context()); err != nil {
				t.Error(err)
			}
		}},
		{"kill -9", func(t *testing.T, l *labtest.Lab) {
			pid, err := l.PID(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(l.Dir) })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			second, err := labtest.Up(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			in(t, second, "kubectl apply -f k8s/base && kubectl rollout status deploy/versioned-echo-v1 --timeout=60s")
			// A Pod whose process has children of its own.
			in(t, second, `kubectl run sleeper --image=busybox --restart=Never -- sh -c 'sleep 3601 & sleep 3602 & wait'`)
			in(t, second, "kubectl wait --for=condition=Ready pod/sleeper --timeout=60s")
			if len(processesOf(t, second)) < 6 {
				t.Fatalf("expected the lab's processes to be seen: %v", processesOf(t, second))
			}
			c.end(t, second)
			eventually(t, 30*time.Second, func() (bool, string) {
				left := processesOf(t, second)
				return len(left) == 0, "left: " + strings.Join(left, "; ")
			})
			for _, address := range []string{second.Router, second.Prometheus} {
				u, err := url.Parse(address)
				if err != nil {
					t.Fatal(err)
				}
				if conn, err := net.DialTimeout("tcp", u.Host, time.Second); err == nil {
					conn.Close()
					t.Errorf("%s still answers", address)
				}
			}
		})
	}
}

func in(t *testing.T, l *labtest.Lab, line string) {
	t.Helper()
	r, err := l.Sh(t.Context(), line)
	if err != nil {
		t.Fatal(err)
	}
	if r.Code != 0 {
		t.Fatal(r)
	}
}

// processesOf finds every process that carries the lab's state directory in its
// arguments, environment or working directory: the lab's own, and the Pods'.
func processesOf(t *testing.T, l *labtest.Lab) []string {
	t.Helper()
	pids, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, p := range pids {
		if p == fmt.Sprintf("/proc/%d", os.Getpid()) {
			continue
		}
		args, _ := os.ReadFile(p + "/cmdline")
		env, _ := os.ReadFile(p + "/environ")
		cwd, _ := os.Readlink(p + "/cwd")
		if len(args) > 0 && strings.Contains(string(args)+string(env)+cwd, l.Dir) {
			found = append(found, filepath.Base(p)+" "+strings.ReplaceAll(string(args), "\x00", " "))
		}
	}
	return found
}
