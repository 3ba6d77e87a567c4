package proc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// guardScript keeps the list of process groups it is told about and, once its
// standard input ends, kills what is left of them. A SIGKILL of the lab ends that
// pipe as surely as an orderly exit does; that is why this is a process of its own.
// Only SIGKILL stops it: the signals a terminal sends to everybody do not.
const guardScript = `
trap '' HUP INT QUIT TERM
groups=' '
while read -r line; do
	group=${line#?}
	case $line in
	+*) groups="$groups$group " ;;
	-*) case $groups in
		*" $group "*) groups="${groups%%" $group "*} ${groups#*" $group "}" ;;
		esac ;;
	esac
done
for group in $groups; do
	kill -s KILL -- "-$group" 2>/dev/null
done
exit 0
`

// ErrGuardClosed is returned when a closed Guard is asked to watch something.
var ErrGuardClosed = errors.New("process guard is closed")

// Guard ties process groups to the life of the process that made it. When that
// process ends, in whatever way, every group added and not removed is killed.
// It is safe for concurrent use.
type Guard struct {
	shell *exec.Cmd
	start chan startRequest
	done  chan struct{} // closed when the spawning thread has been given back

	mu   sync.Mutex
	pipe *os.File // nil once closed
}

type startRequest struct {
	cmd    *exec.Cmd
	result chan<- error
}

// NewGuard starts the watching shell and the thread that Start uses.
func NewGuard() (*Guard, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the process guard: %w", err)
	}
	defer read.Close()

	shell := exec.Command("/bin/sh", "-c", guardScript)
	shell.Stdin = read
	shell.Dir = "/"
	// A group of its own, and no Pdeathsig: it has to outlive the lab by a moment.
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := shell.Start(); err != nil {
		write.Close()
		return nil, fmt.Errorf("start the process guard: %w", err)
	}
	g := &Guard{shell: shell, pipe: write, start: make(chan startRequest), done: make(chan struct{})}
	go g.spawn()
	return g, nil
}

// spawn starts commands from one thread that lives as long as the Guard. Pdeathsig
// fires when the *thread* that forked ends (prctl(2), PR_SET_PDEATHSIG), and the Go
// runtime ends a thread whose goroutine returns while locked to it; hence the unlock.
func (g *Guard) spawn() {
	defer close(g.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for request := range g.start {
		request.result <- request.cmd.Start()
	}
}

// Start prepares cmd, starts it, and watches over its process group. The caller
// waits for the command, and calls Remove with its pid when the whole group has gone.
func (g *Guard) Start(cmd *exec.Cmd) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pipe == nil {
		return fmt.Errorf("start %s: %w", cmd.Path, ErrGuardClosed)
	}
	Prepare(cmd)
	result := make(chan error)
	g.start <- startRequest{cmd, result}
	if err := <-result; err != nil {
		return err
	}
	if err := g.tell('+', cmd.Process.Pid); err != nil {
		// Nobody watches over it: better not started than left behind.
		_ = KillGroup(cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		return fmt.Errorf("watch over %s: %w", cmd.Path, err)
	}
	return nil
}

// Add watches over a process group that was started elsewhere.
func (g *Guard) Add(pgid int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.tell('+', pgid)
}

// Remove forgets a process group. Call it only when the group is empty, or on purpose
// to let it outlive the lab.
func (g *Guard) Remove(pgid int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.tell('-', pgid)
}

func (g *Guard) tell(sign byte, pgid int) error {
	if g.pipe == nil {
		return ErrGuardClosed
	}
	if pgid <= 1 { // kill(-1) would mean everybody, kill(0) ourselves
		return fmt.Errorf("process group %d cannot be guarded", pgid)
	}
	if _, err := fmt.Fprintf(g.pipe, "%c%d\n", sign, pgid); err != nil {
		return fmt.Errorf("tell the process guard about group %d: %w", pgid, err)
	}
	return nil
}

// Close kills every group still watched, and waits until the guard has gone.
func (g *Guard) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pipe == nil {
		return nil
	}
	close(g.start)
	<-g.done
	err := g.pipe.Close()
	g.pipe = nil
	return errors.Join(err, g.shell.Wait())
}

// Pid is the guard's own process, for those who account for every process of the lab.
func (g *Guard) Pid() int { return g.shell.Process.Pid }
