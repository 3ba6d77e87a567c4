// Package scripts tests the shell scripts with stand-ins for the tools they
// call, which record each call and answer as the test says.
package scripts

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

// standin writes its own command line to a log and then does what the first
// fitting line of the answers says: "pattern|exit code|output".
const standin = `#!/usr/bin/env bash
line="${0##*/} $*"
printf '%s\n' "$line" >>"$STANDIN_LOG"
while IFS='|' read -r pattern code output; do
  # shellcheck disable=SC2053 # it is a pattern
  [[ $line == $pattern ]] || continue
  [[ -z $output ]] || printf '%s\n' "$output"
  exit "$code"
done <"$STANDIN_ANSWERS"
`

// stage is a copy of what the scripts read, and a PATH that holds the stand-ins
// and a few tools of the system, so that nothing real is called by accident.
type stage struct {
	dir   string
	tools []string // stand-ins to put on the PATH
	env   []string
}

type result struct {
	calls          []string
	stdout, stderr string
	code           int
}

// answer is what a stand-in does for the calls that match a pattern of bash;
// calls that match none succeed and say nothing.
type answer struct {
	pattern string
	code    int
	output  string
}

func newStage(t *testing.T, tools ...string) *stage {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{"scripts", "k8s"} {
		if err := os.CopyFS(filepath.Join(dir, folder), os.DirFS(filepath.Join(root, folder))); err != nil {
			t.Fatal(err)
		}
	}
	s := &stage{dir: dir, tools: tools}
	if err := os.MkdirAll(s.path("path"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tool := range tools {
		write(t, s.path("path", tool), standin, 0o755)
	}
	for _, tool := range []string{"bash", "env", "dirname", "cat", "sleep"} {
		found, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(found, s.path("path", tool)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *stage) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// command is the script, ready to run from a folder that is not the project's.
func (s *stage) command(t *testing.T, script string, answers ...answer) *exec.Cmd {
	t.Helper()
	var text strings.Builder
	for _, a := range answers {
		fmt.Fprintf(&text, "%s|%d|%s\n", a.pattern, a.code, a.output)
	}
	write(t, s.path("answers"), text.String(), 0o644)
	write(t, s.path("log"), "", 0o644)
	cmd := exec.CommandContext(t.Context(), s.path("path", "bash"), s.path("scripts", script))
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{
		"PATH=" + s.path("path"), "STANDIN_LOG=" + s.path("log"), "STANDIN_ANSWERS=" + s.path("answers"),
	}, s.env...)
	return cmd
}

// run runs the script with nothing on its standard input.
func (s *stage) run(t *testing.T, script string, answers ...answer) result {
	t.Helper()
	cmd := s.command(t, script, answers...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{s.calls(t), stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// calls are the recorded command lines, in order.
func (s *stage) calls(t *testing.T) []string {
	t.Helper()
	log, err := os.ReadFile(s.path("log"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(log), func(r rune) bool { return r == '\n' })
}

// mutating drops the calls that only look.
func mutating(calls []string) []string {
	var changes []string
	for _, call := range calls {
		looks := false
		for _, verb := range []string{" config current-context", " get ", " wait ", " rollout status "} {
			looks = looks || strings.Contains(call, verb)
		}
		if !looks {
			changes = append(changes, call)
		}
	}
	return changes
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
