// Package labtest boots the lab for a test suite and runs commands in it as a
// person at a shell would.
package labtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Lab is one running lab with a state directory of its own.
type Lab struct {
	// Root is the top of the repository, Bin the folder of the built programs.
	Root, Bin string
	// Dir is the lab's state directory; it goes with Down.
	Dir string
	// Router and Prometheus are base URLs.
	Router, Prometheus string

	env []string
}

// Build builds every program, as `make build` does, and stand-ins for what the
// documents ask of a machine beyond them; where nothing changed it takes a second
// or two.
func Build(ctx context.Context) (root string, err error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("find the repository: no caller information")
	}
	root = filepath.Dir(filepath.Dir(filepath.Dir(file)))
	cmd := exec.CommandContext(ctx, "make", "-s", "-C", root, "build", "standins")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("make build standins: %w", err)
	}
	return root, nil
}

// Up builds and starts a lab under a new state directory.
func Up(ctx context.Context) (*Lab, error) {
	root, err := Build(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		return nil, err
	}
	l := &Lab{Root: root, Bin: filepath.Join(root, "bin"), Dir: dir}
	if out, err := l.tool(ctx, "up", "--detach"); err != nil {
		return nil, fmt.Errorf("canary-lab up: %w\n%s", err, out)
	}
	return l, l.readEnv(ctx)
}

// Down stops the lab and removes its state.
func (l *Lab) Down(ctx context.Context) error {
	out, err := l.tool(ctx, "down")
	if err != nil {
		return fmt.Errorf("canary-lab down: %w\n%s", err, out)
	}
	return os.RemoveAll(l.Dir)
}

// tool runs canary-lab on this lab's state directory. Containers find programs in
// the PATH that it is started with.
func (l *Lab) tool(ctx context.Context, args ...string) ([]byte, error) {
	args = append(args, "--state-dir", l.Dir)
	cmd := exec.CommandContext(ctx, filepath.Join(l.Bin, "canary-lab"), args...)
	cmd.Env = append(os.Environ(), "PATH="+l.Path())
	return cmd.CombinedOutput()
}

// Path is the PATH of whoever types what the documents say: the programs of this
// project, the machine's own, and stand-ins for those that the machine has not.
func (l *Lab) Path() string {
	return strings.Join([]string{l.Bin, os.Getenv("PATH"), filepath.Join(l.Bin, "tools", "standins")}, string(os.PathListSeparator))
}

// readEnv takes over what `canary-lab env` tells a shell to export.
func (l *Lab) readEnv(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, filepath.Join(l.Bin, "canary-lab"), "env", "--state-dir", l.Dir)
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("canary-lab env: %w", err)
	}
	// A shell reads it, so that quoting means what it means to a person.
	sh := exec.CommandContext(ctx, "bash", "-c", string(out)+`
		echo "$CANARY_LAB_ROUTER"; echo "$CANARY_LAB_PROMETHEUS"; echo "$KUBECONFIG"`)
	values, err := sh.Output()
	if err != nil {
		return fmt.Errorf("evaluate canary-lab env: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(string(values)), "\n")
	if len(lines) != 3 {
		return fmt.Errorf("canary-lab env gave no router, Prometheus and kubeconfig: %q", out)
	}
	l.Router, l.Prometheus = lines[0], lines[1]
	l.env = append(os.Environ(),
		"KUBECONFIG="+lines[2],
		"PATH="+l.Path(),
		"NO_COLOR=1")
	return nil
}

// PID is the lab's own process; the control plane and the Pods are its children.
func (l *Lab) PID(ctx context.Context) (int, error) { return l.Process(ctx, "lab") }

// Process is the process of one of the lab's components.
func (l *Lab) Process(ctx context.Context, name string) (int, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(l.Bin, "canary-lab"), "status", "-o", "json", "--state-dir", l.Dir)
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("canary-lab status: %w", err)
	}
	var status struct {
		Components []struct {
			Name string
			PID  int
		}
	}
	if err := json.Unmarshal(out, &status); err != nil {
		return 0, fmt.Errorf("canary-lab status: %w", err)
	}
	for _, c := range status.Components {
		if c.Name == name && c.PID != 0 {
			return c.PID, nil
		}
	}
	return 0, fmt.Errorf("canary-lab status names no process of %s: %s", name, out)
}

// Env is the environment of a shell in which `eval "$(canary-lab env)"` ran.
func (l *Lab) Env() []string { return l.env }

// Kubeconfig is the path of the administrator's kubeconfig.
func (l *Lab) Kubeconfig() string { return lookup(l.env, "KUBECONFIG") }

func lookup(env []string, key string) string {
	value := ""
	for _, kv := range env {
		if k, v, ok := strings.Cut(kv, "="); ok && k == key {
			value = v
		}
	}
	return value
}

// Result is what a command printed and how it ended.
type Result struct {
	Command        string
	Stdout, Stderr string
	Code           int
	Took           time.Duration
}

// String shows a result as a failed test should print it.
func (r Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "$ %s\n", r.Command)
	for _, text := range []string{r.Stdout, r.Stderr} {
		for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
			fmt.Fprintf(&b, "  %s\n", s.Text())
		}
	}
	fmt.Fprintf(&b, "  (exit %d after %s)", r.Code, r.Took.Round(time.Millisecond))
	return b.String()
}

// Sh runs a line in bash from the top of the repository, as the guide's reader
// does. An exit code other than 0 is not an error here; not starting is.
func (l *Lab) Sh(ctx context.Context, line string, extraEnv ...string) (Result, error) {
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Dir = l.Root
	cmd.Env = append(append([]string{}, l.env...), extraEnv...)
	// A line that is given up on must not keep the test waiting for a pipe that
	// some grandchild still holds.
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	r := Result{Command: line, Stdout: stdout.String(), Stderr: stderr.String(),
		Code: cmd.ProcessState.ExitCode(), Took: time.Since(start)}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return r, fmt.Errorf("run %q: %w", line, err)
	}
	return r, nil
}
