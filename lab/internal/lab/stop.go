package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/canaryctl/canaryctl/lab/internal/proc"
)

const (
	// stopGrace is how long a lab that was asked to stop may take. Its Pods have at most their
	// own grace period, which the node cuts short.
	stopGrace = 20 * time.Second
	// killGrace is how long the guard of a killed lab may take for the processes left.
	killGrace = 5 * time.Second
	diePoll   = 20 * time.Millisecond
)

// Stop ends the lab in a directory and returns once every process of it has gone. It asks
// first, then sends SIGTERM, then SIGKILL. Without a lab it tidies up what one that
// was killed left behind, and returns an error that wraps ErrNotRunning.
func Stop(ctx context.Context, dir Dir) error {
	state, err := dir.ReadState()
	if errors.Is(err, ErrNotRunning) {
		return errors.Join(err, dir.sweep(ctx))
	}
	if err != nil {
		return err
	}
	if err := NewClient(dir).Stop(ctx); err != nil {
		if err := signal(state.Lab, syscall.SIGTERM); err != nil {
			return err
		}
	}
	if !awaitDeath(ctx, []proc.Identity{state.Lab}, stopGrace) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for the lab (process %d) to stop: %w", state.Lab.Pid, err)
		}
		if err := signal(state.Lab, syscall.SIGKILL); err != nil {
			return err
		}
	}
	return dir.sweep(ctx)
}

// sweep waits for the processes of a lab that is dead itself, kills those that stay, and
// removes its sockets.
func (d Dir) sweep(ctx context.Context) error {
	state, err := d.lastState()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !awaitDeath(ctx, state.Processes, killGrace) {
		for _, id := range state.Processes {
			if err := signal(id, syscall.SIGKILL); err != nil {
				return err
			}
		}
		if !awaitDeath(ctx, state.Processes, killGrace) {
			return fmt.Errorf("wait for processes of the last lab to die: some of %v are still there", state.Processes)
		}
	}
	return d.forget()
}

// forget removes what is only true while the lab runs.
func (d Dir) forget() error {
	for _, path := range []string{d.socket(), d.path("run")} {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("tidy up after the lab: %w", err)
		}
	}
	return nil
}

// signal sends a signal to that very process, if it is still there.
func signal(id proc.Identity, with syscall.Signal) error {
	if !id.Alive() {
		return nil
	}
	if err := syscall.Kill(id.Pid, with); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to process %d of the lab: %w", with, id.Pid, err)
	}
	return nil
}

func awaitDeath(ctx context.Context, ids []proc.Identity, atMost time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	tick := time.NewTicker(diePoll)
	defer tick.Stop()
	for {
		alive := false
		for _, id := range ids {
			alive = alive || id.Alive()
		}
		if !alive {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// lastPort is the API server's of the lab that ran last, or 0. To have it again keeps the
// kubeconfigs good that people copied.
func (d Dir) lastPort() int {
	state, err := d.lastState()
	if err != nil {
		return 0
	}
	u, err := url.Parse(state.Kubernetes)
	if err != nil {
		return 0
	}
	_, port, err := net.SplitHostPort(u.Host)
	if err != nil {
		return 0
	}
	number, _ := strconv.Atoi(port)
	return number
}
