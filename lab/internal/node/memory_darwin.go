package node

import "golang.org/x/sys/unix"

// memory is what the machine has, in bytes.
func memory() int64 {
	if size, err := unix.SysctlUint64("hw.memsize"); err == nil {
		return int64(size)
	}
	return assumedMemory
}

// assumedMemory is for a machine that does not tell: it should not be the
// reason for a Pod not to be placed.
const assumedMemory = 8 << 30
