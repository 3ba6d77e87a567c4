//go:build unix

package hook

import (
	"os/exec"
	"syscall"
)

// apart gives a command a process group of its own: Ctrl-C in a terminal is meant
// for canaryctl, and a command that takes too long is ended with its children.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
