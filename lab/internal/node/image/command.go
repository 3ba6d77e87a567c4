package image

import (
	"os"
	"path/filepath"
	"slices"
)

// Command returns what to run for a container of the image, given the command
// and args of its spec.
//
// A command may name the program by its place in the real image ("/app/echo").
// Where this machine has no such file and the name is that of the image's own
// program, the latter is meant.
func (i Image) Command(command, args []string) []string {
	entrypoint, rest := i.Entrypoint, i.Cmd
	if len(command) > 0 {
		entrypoint, rest = i.local(command), nil
	}
	if len(args) > 0 {
		rest = args
	}
	return slices.Concat(entrypoint, rest)
}

func (i Image) local(command []string) []string {
	if len(i.Entrypoint) == 0 || filepath.Base(command[0]) != filepath.Base(i.Entrypoint[0]) {
		return command
	}
	if _, err := os.Stat(command[0]); err == nil {
		return command
	}
	return append([]string{i.Entrypoint[0]}, command[1:]...)
}
