package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// lookPath finds a program as execvp(3) does, in the PATH of the command's own
// environment rather than in the lab's.
func lookPath(c Command) (string, error) {
	if len(c.Argv) == 0 {
		return "", fmt.Errorf("%w: no command specified", ErrCannotRun)
	}
	name := c.Argv[0]
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range filepath.SplitList(variable(c.Env, "PATH")) {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 && filepath.IsAbs(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w %q: executable file not found in $PATH", ErrCannotRun, name)
}

func variable(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(env[i], name+"="); ok {
			return value
		}
	}
	return ""
}
