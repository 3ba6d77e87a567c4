//go:build unix && !linux

package proc

import "syscall"

// Only Linux has a parent-death signal; elsewhere the Guard alone does the work.
func dieWithParent(*syscall.SysProcAttr) {}
