package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/test/labtest"
)

// TestDocumentedReleases types the blocks of the documents on releases, as
// TestDocumentedCommands does of others, and each where it makes sense: in a
// namespace with a release in progress, or none yet, or one that the route forgot.
// A block that cannot be typed here says so in the comment above it.
func TestDocumentedReleases(t *testing.T) {
	found := 0
	for _, doc := range []string{"release", "plan-file", "report", "pipelines"} {
		raw, err := os.ReadFile(filepath.Join(lab.Root, "docs", doc+".md"))
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range acts(bashBlocks(string(raw))) {
			found++
			t.Run(fmt.Sprintf("%s %d", doc, a.blocks[0].line), func(t *testing.T) {
				t.Parallel()
				a.play(t, doc)
			})
		}
	}
	if found < 5 {
		t.Errorf("only %d acts found in the documents", found)
	}
}

// act is some blocks that follow each other in one namespace.
type act struct {
	scene  scene
	blocks []block
}

// scene is what a block finds.
type scene string

const (
	quiet     scene = "quiet"     // stable alone
	driven    scene = "driven"    // a release in progress, at its first step
	forgotten scene = "forgotten" // v3 is released over v2, and the route lost its annotations
)

func sceneOf(b block) scene {
	switch {
	case strings.Contains(b.text, "canaryctl release"):
		return quiet
	case strings.Contains(b.text, "canaryctl.io/position={"):
		return forgotten
	}
	return driven
}

// ends is what ends a release, and an act with it.
var ends = regexp.MustCompile(`canaryctl (release|promote$|promote |rollback|abort)|kubectl (replace|patch)`)

func acts(blocks []block) []act {
	var all []act
	over := true
	for _, b := range blocks {
		if over || sceneOf(b) != all[len(all)-1].scene {
			all = append(all, act{scene: sceneOf(b)})
		}
		now := &all[len(all)-1]
		now.blocks = append(now.blocks, b)
		over = ends.MatchString(b.text)
	}
	return all
}

func (a act) play(t *testing.T, doc string) {
	t.Helper()
	s := perform(t, pods)
	switch a.scene {
	case quiet:
		s.plan(quick)
	case driven:
		s.release("v2", patient, "--wait-paused")
		s.untilStep(0)
	case forgotten:
		s.release("v2", quick, "").wants(0)
		e := s.release("v3", patient, "")
		s.until("the release of v3", func(r written) bool { return r.To == "v3" && r.MaxWeight == 20 })
		e.kill()
		sh(t, "kubectl annotate virtualservice "+route+" canaryctl.io/position- canaryctl.io/plan- -n "+s.ns)
	}
	env := s.asReader()
	for _, b := range a.blocks {
		done := make(chan struct{})
		var r labtest.Result
		var err error
		go func() {
			defer close(done)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			r, err = lab.Sh(ctx, "set -euo pipefail\ncd "+s.dir+"\n"+bounded(b.text), env)
		}()
		if a.scene == quiet {
			s.hurry(done)
		}
		<-done
		if err != nil || r.Code != 0 {
			t.Errorf("docs/%s.md:%d: %v\n%s", doc, b.line, err, r)
		}
	}
	if last := a.blocks[len(a.blocks)-1].text; a.scene == driven && ends.MatchString(last) && !strings.Contains(last, "kubectl patch") {
		eventually(t, time.Minute, func() (bool, string) {
			at := s.route()
			return at.Release().Phase.Over() || at.Release().ID == "" && len(at.History) == 1, describe(at)
		})
	}
	if a.scene == forgotten {
		wantShare(t, s.host(), "v2", 1, 100)
	}
}

// asReader is the administrator in the stage's namespace, in a folder that has what
// the documents speak of.
func (s *stage) asReader() string {
	s.t.Helper()
	path := filepath.Join(s.dir, "reader.kubeconfig")
	sh(s.t, fmt.Sprintf("cp %[1]s %[2]s && kubectl config set-context --current --namespace %[3]s --kubeconfig %[2]s && ln -s %[4]s/k8s %[5]s/k8s",
		lab.Kubeconfig(), path, s.ns, lab.Root, s.dir))
	if raw, err := os.ReadFile(s.recordFile()); err == nil {
		for _, name := range []string{"release.jsonl", "laptop.jsonl", "ci.jsonl"} {
			if err := os.WriteFile(filepath.Join(s.dir, name), raw, 0o600); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return "KUBECONFIG=" + path
}

// bounded interrupts, after some seconds, what goes on until Ctrl-C.
func bounded(script string) string {
	endless := regexp.MustCompile(`(?m)^\s*(canaryctl status -w)\b.*$`)
	return endless.ReplaceAllString(script, "timeout --preserve-status --signal=INT 3s $1 || test $$? -eq 130")
}

// hurry promotes by hand what would take its time, until the block is done.
func (s *stage) hurry(done <-chan struct{}) {
	for {
		if r := s.route().Release(); r.Phase == canary.Progressing && r.Wish == "" {
			try(s.t, "canaryctl promote -n "+s.ns, s.env)
		}
		select {
		case <-done:
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}
