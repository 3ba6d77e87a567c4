package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestDocumentedCommands types every bash block of the documents, in order, in
// one shell at the top of the repository, as a reader does. A block that needs
// what a test cannot have says so in the comment above it:
//
//	<!-- needs: cluster -->
//
// The guide in Portuguese has the same commands, which test/scripts checks.
func TestDocumentedCommands(t *testing.T) {
	for _, doc := range []string{"README.md", "docs/lab-guide.md"} {
		t.Run(doc, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(filepath.Join(lab.Root, doc))
			if err != nil {
				t.Fatal(err)
			}
			blocks := bashBlocks(string(raw))
			if len(blocks) == 0 {
				t.Fatal("no bash block to run")
			}
			run(t, doc, blocks)
		})
	}
}

type block struct {
	line int
	text string
}

// bashBlocks returns the fenced blocks of bash or sh that carry no "needs" comment.
func bashBlocks(markdown string) []block {
	needs := regexp.MustCompile(`^\s*<!-- needs: .* -->\s*$`)
	fence := regexp.MustCompile("^(\\s*)```(\\w*)\\s*$")
	var blocks []block
	var open *block
	var indent string
	marked, inFence := false, false
	for i, line := range strings.Split(markdown, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case m != nil && !inFence:
			inFence, indent = true, m[1]
			if (m[2] == "bash" || m[2] == "sh") && !marked {
				open = &block{line: i + 1}
			}
		case m != nil:
			if open != nil {
				blocks = append(blocks, *open)
			}
			inFence, open, marked = false, nil, false
		case open != nil:
			open.text += strings.TrimPrefix(line, indent) + "\n"
		case needs.MatchString(line):
			marked = true
		case !inFence && strings.TrimSpace(line) != "":
			marked = false
		}
	}
	return blocks
}

// run feeds the blocks to one shell, whose lab is none of the suite's.
func run(t *testing.T, doc string, blocks []block) {
	t.Helper()
	var script strings.Builder
	script.WriteString("set -euo pipefail\n")
	for _, b := range blocks {
		fmt.Fprintf(&script, "echo '## %s:%d' >&2\n%s\n", doc, b.line, b.text)
	}
	gocache, err := exec.CommandContext(t.Context(), "go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(),
		"XDG_CACHE_HOME="+t.TempDir(), // where the reader's lab keeps its state
		"GOCACHE="+strings.TrimSpace(string(gocache)),
		"KUBECONFIG="+filepath.Join(t.TempDir(), "none"), "NO_COLOR=1",
		"PATH="+lab.Path())
	shell := func(ctx context.Context, script string) (string, error) {
		cmd := exec.CommandContext(ctx, "bash", "-c", script)
		cmd.Dir, cmd.Env, cmd.WaitDelay = lab.Root, env, 5*time.Second
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		return out.String(), err
	}
	t.Cleanup(func() {
		if out, err := shell(context.Background(), "canary-lab down"); err != nil {
			t.Errorf("canary-lab down: %v\n%s", err, out)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if out, err := shell(ctx, script.String()); err != nil {
		t.Errorf("%v (the last marker names the block)\n%s", err, out)
	}
}
