package proc

import (
	"fmt"
	"os"
)

// Identity names one process for good: process ids are used again, the pair of
// id and start time is not. It is what a state file records, so that nobody is
// killed for having inherited a number.
type Identity struct {
	Pid int `json:"pid"`
	// Start is opaque: ticks since boot on Linux, what ps prints elsewhere.
	Start string `json:"start"`
}

// Identify reads the identity of a living process.
func Identify(pid int) (Identity, error) {
	start, err := startTime(pid)
	if err != nil {
		return Identity{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	return Identity{Pid: pid, Start: start}, nil
}

// Self is the identity of this process.
func Self() (Identity, error) { return Identify(os.Getpid()) }

// Alive says whether that very process still runs. A zombie does not.
func (id Identity) Alive() bool {
	if id.Pid <= 1 || id.Start == "" {
		return false
	}
	start, err := startTime(id.Pid)
	return err == nil && start == id.Start
}
