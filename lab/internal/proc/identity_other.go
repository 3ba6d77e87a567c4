//go:build unix && !linux

package proc

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
)

func startTime(pid int) (string, error) {
	out, err := ps(pid, "stat=,lstart=")
	if err != nil {
		return "", err
	}
	state, start, _ := strings.Cut(out, " ")
	if start = strings.TrimSpace(start); start == "" || strings.HasPrefix(state, "Z") {
		return "", os.ErrProcessDone
	}
	return start, nil
}

// RSS is the memory a process holds, in bytes; 0 when it cannot be read.
func RSS(pid int) uint64 {
	out, err := ps(pid, "rss=")
	if err != nil {
		return 0
	}
	kilobytes, err := strconv.ParseUint(out, 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes * 1024
}

// PSS cannot be had without Linux' help.
func PSS(int) uint64 { return 0 }

func ps(pid int, columns string) (string, error) {
	cmd := exec.Command("ps", "-o", columns, "-p", strconv.Itoa(pid))
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		return "", os.ErrProcessDone // ps exits 1 when there is no such process
	}
	return strings.TrimSpace(string(out)), nil
}
