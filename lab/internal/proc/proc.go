// Package proc starts child processes that die with the lab, and tells processes apart.
//
// Two nets, because each has a hole. The kernel's parent-death signal (Linux) is
// immediate but reaches only the direct child. The Guard reaches whole process groups,
// grandchildren included, on every Unix, but only those it has been told about.
package proc

import (
	"errors"
	"os/exec"
	"syscall"
)

// Prepare puts cmd in a process group of its own, so that it can be signalled with all its
// descendants and does not get the terminal's Ctrl-C, and asks the kernel to kill
// it when its parent dies, where the kernel can. A command that asked for a session of its own
// (Setsid, as one on a terminal does) has its group already.
//
// Start the command with Guard.Start, which does this by itself and from a thread that stays.
func Prepare(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if !cmd.SysProcAttr.Setsid {
		cmd.SysProcAttr.Setpgid = true
	}
	dieWithParent(cmd.SysProcAttr)
}

// KillGroup sends a signal to every process of a group. A group that has gone is no error.
func KillGroup(pgid int, signal syscall.Signal) error {
	if pgid <= 1 {
		return syscall.EINVAL
	}
	err := syscall.Kill(-pgid, signal)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// GroupAlive says whether a process group has any member left, zombies included.
func GroupAlive(pgid int) bool {
	return pgid > 1 && !errors.Is(syscall.Kill(-pgid, 0), syscall.ESRCH)
}
