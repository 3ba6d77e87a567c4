package node

import "golang.org/x/sys/unix"

// memory is what the machine has, in bytes.
func memory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return assumedMemory
	}
	return int64(info.Totalram) * int64(info.Unit)
}

// assumedMemory is for a machine that does not tell: it should not be the
// reason for a Pod not to be placed.
const assumedMemory = 8 << 30
