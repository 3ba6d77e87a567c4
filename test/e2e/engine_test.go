package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// engine is a canaryctl that drives a release, or would.
type engine struct {
	t    *testing.T
	args []string
	cmd  *exec.Cmd
	said string // the file of what it said
	done chan struct{}
}

// drive starts a canaryctl that drives, in the stage's folder.
func (s *stage) drive(args string, env ...string) *engine {
	s.t.Helper()
	return s.driveIn(s.dir, s.recordFile(), args, append([]string{s.env}, env...)...)
}

// driveIn does so from another folder, with another record and kubeconfig.
func (s *stage) driveIn(dir, record, args string, env ...string) *engine {
	s.t.Helper()
	args += " -n " + s.ns + " --record " + record + " --metrics-source " + s.source
	if s.source == prometheus {
		args += " --prometheus-url " + lab.Prometheus
	}
	e := &engine{t: s.t, args: strings.Fields(args), done: make(chan struct{}), said: filepath.Join(s.t.TempDir(), "said")}
	said, err := os.Create(e.said)
	if err != nil {
		s.t.Fatal(err)
	}
	defer said.Close()
	e.cmd = exec.CommandContext(s.t.Context(), filepath.Join(lab.Bin, "canaryctl"), e.args...)
	e.cmd.Dir, e.cmd.Stderr = dir, said
	e.cmd.Env = append(append([]string{}, lab.Env()...), env...)
	if err := e.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = e.cmd.Wait() // how it ended is in the state
		close(e.done)
	}()
	s.t.Cleanup(func() { <-e.done }) // the end of the test's context kills it
	return e
}

// release begins one of versioned-echo by the stage's plan.
func (s *stage) release(image, spec, more string, env ...string) *engine {
	s.t.Helper()
	return s.drive("release --image versioned-echo:"+image+" -f "+s.plan(spec)+" "+more, env...)
}

// wants fails unless it ends with the status.
func (e *engine) wants(code int) {
	e.t.Helper()
	select {
	case <-e.done:
	case <-time.After(2 * time.Minute):
		e.t.Fatalf("canaryctl %s has not ended:\n%s", strings.Join(e.args, " "), e.text())
	}
	if got := e.cmd.ProcessState.ExitCode(); got != code {
		e.t.Fatalf("canaryctl %s: exit %d, want %d:\n%s", strings.Join(e.args, " "), got, code, e.text())
	}
}

// says fails unless it has said all of it.
func (e *engine) says(words ...string) {
	e.t.Helper()
	for _, one := range words {
		if !strings.Contains(e.text(), one) {
			e.t.Errorf("canaryctl %s does not say %q:\n%s", e.args[0], one, e.text())
		}
	}
}

// untilSays waits until it does.
func (e *engine) untilSays(words string) {
	e.t.Helper()
	eventually(e.t, time.Minute, func() (bool, string) {
		return strings.Contains(e.text(), words), "canaryctl " + e.args[0] + " does not say " + words + ":\n" + e.text()
	})
}

func (e *engine) text() string {
	e.t.Helper()
	raw, err := os.ReadFile(e.said)
	if err != nil {
		e.t.Fatal(err)
	}
	return string(raw)
}

func (e *engine) alive() bool {
	select {
	case <-e.done:
		return false
	default:
		return true
	}
}

// kill ends it as a machine that is lost does, and waits for that.
func (e *engine) kill() {
	e.t.Helper()
	if !e.alive() {
		e.t.Fatalf("canaryctl %s has ended by itself:\n%s", e.args[0], e.text())
	}
	_ = e.cmd.Process.Kill()
	<-e.done
}

// types runs a canaryctl with the rights of the Role, as a second person does, and
// returns what it printed.
func (s *stage) types(args string) string {
	s.t.Helper()
	r := sh(s.t, "canaryctl "+args+" -n "+s.ns, s.env)
	return r.Stdout + r.Stderr
}

// prints is types for what is on standard output alone.
func (s *stage) prints(args string) string {
	s.t.Helper()
	return sh(s.t, "canaryctl "+args+" -n "+s.ns, s.env).Stdout
}
