package main

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The folder is the whole build context of `docker build ./versioned-echo`, so
// it has to build where nothing else of the repository exists, with the very
// line that the Dockerfile runs.
func TestFolderBuildsAlone(t *testing.T) {
	alone := t.TempDir()
	if err := os.CopyFS(alone, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("bash", "-c", buildLine(t))
	build.Dir = alone
	build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly", "TARGETOS=linux", "TARGETARCH="+runtime.GOARCH)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", buildLine(t), err, out)
	}
	program, err := os.ReadFile(filepath.Join(alone, "versioned-echo"))
	if err != nil {
		t.Fatal(err)
	}
	if home, _ := os.UserHomeDir(); home != "" && bytes.Contains(program, []byte(home+"/")) {
		t.Errorf("the program names this machine's %s: want -trimpath to remove it", home)
	}
}

// An image from scratch has no passwd file: a user by name would not start, and
// Kubernetes' runAsNonRoot can only check a number.
func TestImageRunsAsANumericUser(t *testing.T) {
	user := instruction(t, "USER ")
	if id, _, _ := strings.Cut(user, ":"); id == "" || strings.Trim(id, "0123456789") != "" || strings.Trim(id, "0") == "" {
		t.Errorf("USER %s: want a number that is not 0", user)
	}
}

// What the Dockerfile's COPY needs must survive .dockerignore, which starts by
// leaving out everything.
func TestBuildContextHoldsAllSources(t *testing.T) {
	ignore, err := os.ReadFile(".dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	kept := make(map[string]bool)
	for line := range strings.Lines(string(ignore)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok {
			kept[name] = true
		}
	}
	err = fs.WalkDir(os.DirFS("."), ".", func(path string, d fs.DirEntry, err error) error {
		source := strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "go.")
		if first, _, _ := strings.Cut(path, "/"); err == nil && source && !kept[first] {
			t.Errorf(".dockerignore leaves out %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func buildLine(t *testing.T) string {
	t.Helper()
	return instruction(t, "RUN CGO_ENABLED=0 ")
}

// instruction returns the Dockerfile's line with the prefix, without its
// keyword.
func instruction(t *testing.T, prefix string) string {
	t.Helper()
	f, err := os.Open("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), prefix) {
			_, rest, _ := strings.Cut(lines.Text(), " ")
			return rest
		}
	}
	t.Fatalf("Dockerfile has no line that begins with %q", prefix)
	return ""
}
