package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/lab/internal/lab"
	"github.com/canaryctl/canaryctl/lab/internal/proc"
	"github.com/canaryctl/canaryctl/lab/internal/router"
)

// run executes a command line on a state directory.
func run(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = Main(t.Context(), append(args, "--state-dir", dir), Streams{Out: &out, Err: &err})
	return code, out.String(), err.String()
}

func TestWithoutALab(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{"down"}, exitDone, "No lab was running."},
		{[]string{"status"}, exitError, "start one with: canary-lab up --detach"},
		{[]string{"env"}, exitError, "start one with: canary-lab up --detach"},
		{[]string{"logs"}, exitError, "no lab ever ran"},
		{[]string{"load", "shop=" + os.Args[0]}, exitError, "start one with: canary-lab up --detach"},
		{[]string{"load", "shop"}, exitUsage, "want NAME=PATH"},
		{[]string{"load", "shop=" + dir}, exitError, "not an executable file"},
		{[]string{"load"}, exitUsage, "IMAGE=PATH"},
		{[]string{"up", "--image", "=x"}, exitUsage, "want NAME=PATH"},
		{[]string{"up", "now"}, exitUsage, `unexpected argument "now"`},
		{[]string{"status", "-o", "xml"}, exitUsage, `output "xml"`},
		{[]string{"--no-such-flag"}, exitUsage, "unknown flag"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			code, stdout, stderr := run(t, dir, tt.args...)
			if code != tt.code || !strings.Contains(stderr, tt.stderr) {
				t.Errorf("exit code %d, want %d; stderr %q, want in it %q", code, tt.code, stderr, tt.stderr)
			}
			if stdout != "" {
				t.Errorf("data although there is none: %q", stdout)
			}
		})
	}
}

func TestEnvIsUnderstoodByAShell(t *testing.T) {
	state := lab.State{Router: "http://127.0.0.1:1234", Prometheus: "http://127.0.0.1:9090"}
	var out bytes.Buffer
	writeEnv(&out, lab.Dir("/it's a $HOME"), state, "/tools & more")
	script := out.String() + `printf '%s\n' "$KUBECONFIG" "$CANARY_LAB_ROUTER" "$CANARY_LAB_PROMETHEUS" "$PATH"`
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Env = []string{"PATH=/usr/bin"}
	got, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v in:\n%s", err, script)
	}
	want := "/it's a $HOME/kubeconfig\nhttp://127.0.0.1:1234\nhttp://127.0.0.1:9090\n/tools & more:/usr/bin\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("what the shell sees (-want +got):\n%s", diff)
	}
}

func TestToolFolder(t *testing.T) {
	bin := t.TempDir()
	executable := filepath.Join(bin, "canary-lab")
	if got := toolFolder(executable, "/usr/bin"); got != "" {
		t.Errorf("without kubectl: %q", got)
	}
	if err := os.WriteFile(filepath.Join(bin, "kubectl"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := toolFolder(executable, "/usr/bin:"+bin); got != bin {
		t.Errorf("with kubectl, and another folder before it: %q, want %q", got, bin)
	}
	if got := toolFolder(executable, bin+":/usr/bin"); got != "" {
		t.Errorf("in PATH already: %q", got)
	}
}

func TestPrintStatus(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	status := lab.Status{
		Components: []lab.Component{
			{Name: "lab", State: "running", Pid: 10, RSS: 64 << 20, PSS: 40 << 20, Started: now.Add(-time.Minute)},
			{Name: "router", State: "starting", Pid: 10, Address: "127.0.0.1:80", Started: now.Add(-time.Minute)},
			{Name: "etcd", State: "running", Pid: 11, RSS: 32 << 20, PSS: 20 << 20, Started: now.Add(-time.Second)},
		},
		NotHonoured: []router.Problem{{Object: "VirtualService default/web", Field: "spec.http[0].corsPolicy", Message: "is not honoured"}},
	}
	var out bytes.Buffer
	if err := printStatus(&out, status, now); err != nil {
		t.Fatal(err)
	}
	want := `COMPONENT   STATE      PID   ADDRESS        RSS      PSS      UP
lab         running    10    -              64 MiB   40 MiB   1m0s
router      starting   10    127.0.0.1:80   -        -        1m0s
etcd        running    11    -              32 MiB   20 MiB   1s
total                                       96 MiB   60 MiB   

The router does not honour:
  VirtualService default/web spec.http[0].corsPolicy: is not honoured
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestScreenForAPipe(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out)
	s.progress(lab.Progress{Step: "node"})
	s.progress(lab.Progress{Step: "router"})
	s.progress(lab.Progress{Step: "node", Done: true, Took: 1500 * time.Millisecond})
	s.finish(2 * time.Second)
	want := "node: ready after 1.5 s\nThe lab is ready after 2.0 s.\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestScreenForATerminal(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out)
	s.live = true
	s.progress(lab.Progress{Step: "node"})
	s.progress(lab.Progress{Step: "router"})
	s.progress(lab.Progress{Step: "node", Done: true, Took: 1500 * time.Millisecond})
	lines := strings.Split(out.String(), "\r\x1b[K")
	want := []string{"", "  … node", "  … node, router", "  ✓ node                               1.5 s\n  … router"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLogs(t *testing.T) {
	dir := lab.Dir(t.TempDir())
	for component, text := range map[string]string{"lab": "hello\n", "etcd": "world\n"} {
		if err := os.MkdirAll(filepath.Dir(dir.Log(component)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir.Log(component), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, stdout, stderr := run(t, string(dir), "logs"); code != exitDone || stdout != "hello\n" {
		t.Errorf("logs: %d %q %q", code, stdout, stderr)
	}
	if code, stdout, _ := run(t, string(dir), "logs", "etcd"); code != exitDone || stdout != "world\n" {
		t.Errorf("logs etcd: %d %q", code, stdout)
	}
	if code, _, stderr := run(t, string(dir), "logs", "nginx"); code != exitUsage || !strings.Contains(stderr, "there are: etcd, lab") {
		t.Errorf("logs nginx: %d %q", code, stderr)
	}
}

func TestUpOnARunningLab(t *testing.T) {
	dir := t.TempDir()
	self, err := proc.Self()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(lab.State{Lab: self})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "lab.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := run(t, dir, "up", "--detach")
	if code != exitDone || !strings.Contains(stderr, "already running") || !strings.Contains(stderr, "kubectl apply -f k8s/base") {
		t.Errorf("up: %d %q", code, stderr)
	}
	code, _, stderr = run(t, dir, "up", "--reset")
	if code != exitError || !strings.Contains(stderr, "canary-lab down --state-dir "+dir) {
		t.Errorf("up --reset: %d %q", code, stderr)
	}
}
