//go:build lint

package scripts

import (
	"maps"
	"os/exec"
	"strings"
	"testing"
)

// TestShellcheck is for `make lint`, which needs a shellcheck: it reads every script
// of the project, and those in its workflows and in the documents' examples.
func TestShellcheck(t *testing.T) {
	tool, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Fatal("shellcheck is not on the PATH; install it: apt-get install shellcheck, brew install shellcheck")
	}
	cmd := exec.CommandContext(t.Context(), tool, shellScripts(t)...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %v\n%s", err, out)
	}
	files := workflows(t)
	maps.Copy(files, pipelines(t))
	for name, file := range files {
		for _, s := range file.all() {
			if s.Run == "" {
				continue
			}
			cmd := exec.CommandContext(t.Context(), tool, "--shell=bash", "-")
			cmd.Stdin = strings.NewReader(s.Run)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
		}
	}
}
