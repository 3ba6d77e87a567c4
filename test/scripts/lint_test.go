package scripts

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shellScripts lists every shell script of the project, relative to its root.
func shellScripts(t *testing.T) []string {
	t.Helper()
	found := []string{".ci/run", ".ci/bare-path"}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "bin" || entry.Name() == "dist") {
			return fs.SkipDir
		}
		if filepath.Ext(name) == ".sh" {
			rel, err := filepath.Rel(root, name)
			found = append(found, rel)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Each script stops at its first failure and can be run by its name.
func TestScriptsFailEarly(t *testing.T) {
	for _, name := range shellScripts(t) {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "#!/usr/bin/env bash\n") || !strings.Contains(string(text), "\nset -euo pipefail\n") {
			t.Errorf("%s does not begin as a bash script that stops at its first failure", name)
		}
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode()&0o111 == 0 {
			t.Errorf("%s is not executable", name)
		}
	}
}
