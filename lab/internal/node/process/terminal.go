package process

import (
	"fmt"
	"os"
	"syscall"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Size is that of a terminal, in characters.
type Size struct{ Width, Height uint16 }

// endOfInput is what a person types to end the input (Ctrl-D).
const endOfInput = 4

// terminal is our end of a process's terminal.
type terminal struct{ file *os.File }

// openTerminal returns our end, and theirs for the process to start with.
func openTerminal() (*terminal, *os.File, error) {
	master, theirs, err := pty.Open()
	if err != nil {
		return nil, nil, fmt.Errorf("open a terminal: %w", err)
	}
	file, err := pollable(master)
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	t := &terminal{file: file}
	_ = t.resize(Size{Width: 80, Height: 24}) // until somebody attaches and tells
	return t, theirs, nil
}

// pollable makes reads from the terminal interruptible. The pty package puts
// the file into blocking mode, in which a Close waits for a Read for ever.
func pollable(master *os.File) (*os.File, error) {
	defer func() { _ = master.Close() }()
	fd, err := unix.FcntlInt(master.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a terminal: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("open a terminal: %w", err)
	}
	return os.NewFile(uintptr(fd), master.Name()), nil
}

func (t *terminal) Write(p []byte) (int, error) { return t.file.Write(p) }

// Close ends the input the way a person would: a terminal has no other end, and
// the output goes on.
func (t *terminal) Close() error {
	_, err := t.file.Write([]byte{endOfInput})
	return err
}

// resize ignores a client that has no terminal and so no size of one.
func (t *terminal) resize(size Size) error {
	if size.Width == 0 || size.Height == 0 {
		return nil
	}
	raw, err := t.file.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: size.Height, Col: size.Width})
	})
	if err != nil {
		return err
	}
	return set
}
