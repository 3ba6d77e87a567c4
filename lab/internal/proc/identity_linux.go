package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// startTime reads field 22 of /proc/PID/stat (proc_pid_stat(5)). Fields are counted behind
// the last parenthesis, since the command's name may hold anything. The boot id goes
// with it: ticks since boot repeat after a reboot, and a state file survives one.
func startTime(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	fields := strings.Fields(rest) // fields[0] is field 3, the state
	if len(fields) < 20 {
		return "", fmt.Errorf("read /proc/%d/stat: %d fields", pid, len(fields))
	}
	// The first thread of a killed process is a zombie while the others still close
	// its files and ports; they are counted in field 20.
	if threads := fields[17]; fields[0] == "X" || fields[0] == "Z" && (threads == "0" || threads == "1") {
		return "", os.ErrProcessDone
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	return fields[19] + "@" + strings.TrimSpace(string(boot)), nil
}

// RSS is the memory a process holds, in bytes; 0 when it cannot be read.
func RSS(pid int) uint64 {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// PSS is the memory a process holds where a page that n processes share counts 1/n, in bytes
// (proc_pid_smaps(5)); 0 when it cannot be read. The lab's processes are one executable, so the
// sum of their RSS counts its pages several times.
func PSS(pid int) uint64 {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(rollup), "\nPss:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kilobytes, err := strconv.ParseUint(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes * 1024
}
