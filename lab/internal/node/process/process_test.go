package process

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/lab/internal/proc"
)

// bench starts processes and collects their logs.
type bench struct {
	t     *testing.T
	guard *proc.Guard
	mu    sync.Mutex
	log   bytes.Buffer
}

func newBench(t *testing.T) *bench {
	t.Helper()
	guard, err := proc.NewGuard()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := guard.Close(); err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t)
	})
	return &bench{t: t, guard: guard}
}

func sh(script string) Command {
	return Command{Argv: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Dir: "/"}
}

func (b *bench) start(o Options) *Process {
	b.t.Helper()
	o.Log = func(stream string) io.WriteCloser { return &logged{b, stream} }
	p, err := Start(b.guard, clock.RealClock{}, o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { p.Stop(context.Background(), 0) })
	return p
}

func (b *bench) logText() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

type logged struct {
	b      *bench
	stream string
}

func (l *logged) Write(p []byte) (int, error) {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	l.b.log.WriteString(l.stream + ":" + string(p))
	return len(p), nil
}
func (*logged) Close() error { return nil }

func (b *bench) waitForLog(want string) {
	b.t.Helper()
	eventually(b.t, "the log says "+want, func() bool { return strings.Contains(b.logText(), want) })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain until %s", what)
}

func TestExitCodes(t *testing.T) {
	b := newBench(t)
	for script, want := range map[string]Exit{
		"exit 0":         {},
		"exit 7":         {Code: 7},
		"kill -KILL $$":  {Code: 137, Signal: 9},
		"kill -TERM $$":  {Code: 143, Signal: 15},
		"no-such-thing!": {Code: 127},
	} {
		if diff := cmp.Diff(want, b.start(Options{Command: sh(script)}).Exit()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", script, diff)
		}
	}
}

func TestCannotRun(t *testing.T) {
	b := newBench(t)
	for _, argv := range [][]string{nil, {"no-such-program"}, {"/no/such/program"}, {"/"}} {
		_, err := Start(b.guard, clock.RealClock{}, Options{Command: Command{Argv: argv, Dir: "/"}})
		if !errors.Is(err, ErrCannotRun) {
			t.Errorf("%q: %v, want ErrCannotRun", argv, err)
		}
	}
}

func TestStop(t *testing.T) {
	b := newBench(t)
	polite := b.start(Options{Command: sh(`trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done`)})
	b.waitForLog("stdout:up")
	polite.Stop(context.Background(), time.Minute)
	if got := polite.Exit(); got.Code != 3 || !strings.Contains(b.logText(), "bye") {
		t.Errorf("a process that was asked ended with %+v and said %q", got, b.logText())
	}

	deaf := b.start(Options{Command: sh(`trap '' TERM; echo deaf; while :; do sleep 0.01; done`)})
	b.waitForLog("deaf")
	deaf.Stop(context.Background(), time.Millisecond)
	if got := deaf.Exit(); got.Signal != 9 {
		t.Errorf("a process that does not listen ended with %+v, want SIGKILL", got)
	}
}

func TestAContainerEndsWithItsFirstProcess(t *testing.T) {
	b := newBench(t)
	p := b.start(Options{Command: sh(`sleep 1000 & echo started; exit 0`)})
	p.Exit()
	eventually(t, "nothing of the group is left", func() bool { return !proc.GroupAlive(p.PID()) })
}

func TestAttachSeesEarlyOutputAndGivesInput(t *testing.T) {
	b := newBench(t)
	cmd := sh(`echo early; echo problem >&2; cat; echo end`)
	cmd.Stdin = true
	p := b.start(Options{Command: cmd, StdinOnce: true})
	b.waitForLog("stderr:problem")
	var out, errs bytes.Buffer
	var readers sync.WaitGroup
	err := p.Attach(context.Background(), Streams{Stdin: strings.NewReader("hello\n"), Stdout: &out, Stderr: &errs, Readers: &readers})
	readers.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("early\nhello\nend\n", out.String()); diff != "" {
		t.Errorf("standard output (-want +got):\n%s", diff)
	}
	if errs.String() != "problem\n" {
		t.Errorf("standard error %q", errs.String())
	}
	if err := p.Attach(context.Background(), Streams{Stdout: &out}); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a second attachment after the end: %v, want ErrNotRunning", err)
	}
}

func TestAttachToTerminal(t *testing.T) {
	b := newBench(t)
	cmd := sh(`test -t 0 && test -t 1 && echo terminal; read line; stty size; echo "got $line"; cat >/dev/null; echo end`)
	cmd.TTY, cmd.Stdin = true, true
	p := b.start(Options{Command: cmd, StdinOnce: true})
	sizes := make(chan Size)
	stdin, typed := io.Pipe()
	var out bytes.Buffer
	var readers sync.WaitGroup
	done := make(chan error, 1)
	go func() {
		done <- p.Attach(context.Background(), Streams{Stdin: stdin, Stdout: &out, Resize: sizes, Readers: &readers})
	}()
	sizes <- Size{Width: 123, Height: 45}
	sizes <- Size{Width: 123, Height: 45} // the first has been set once the second is taken
	_, _ = io.WriteString(typed, "typed\n")
	b.waitForLog("got typed")
	_ = typed.Close() // the end of the client's input is Ctrl-D on the terminal
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	readers.Wait()
	for _, want := range []string{"terminal\r\n", "45 123\r\n", "got typed\r\n", "end\r\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
	}
}

func TestASlowClientDoesNotHoldTheProcessUp(t *testing.T) {
	b := newBench(t)
	cmd := sh(`dd if=/dev/zero bs=65536 count=256 2>/dev/null; exit 0`)
	p := b.start(Options{Command: cmd})
	_, stuck := io.Pipe() // nobody reads
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Attach(ctx, Streams{Stdout: stuck}) }()
	if got := p.Exit(); got.Code != 0 {
		t.Errorf("exit %+v", got)
	}
	cancel()
	_ = stuck.Close()
	<-done
}

func TestExec(t *testing.T) {
	b := newBench(t)
	p := b.start(Options{Command: sh("sleep 1000")})
	exec := func(script, input string, tty bool) (Exit, string) {
		t.Helper()
		cmd := sh(script)
		cmd.TTY, cmd.Stdin = tty, input != ""
		var out bytes.Buffer
		var readers sync.WaitGroup
		exit, err := p.Exec(context.Background(), cmd, Streams{Stdin: strings.NewReader(input), Stdout: &out, Readers: &readers})
		readers.Wait()
		if err != nil {
			t.Fatal(err)
		}
		return exit, out.String()
	}
	if exit, out := exec("echo hi; exit 5", "", false); exit.Code != 5 || out != "hi\n" {
		t.Errorf("exit %+v, output %q", exit, out)
	}
	if _, out := exec("cat", "fed\n", false); out != "fed\n" {
		t.Errorf("with input: %q", out)
	}
	if _, out := exec("test -t 1 && cat", "typed\n", true); strings.Count(out, "typed\r\n") != 2 {
		t.Errorf("on a terminal, echo and answer: %q", out)
	}
	if _, err := p.Exec(context.Background(), Command{Argv: []string{"nothing"}, Dir: "/"}, Streams{}); !errors.Is(err, ErrCannotRun) {
		t.Errorf("unknown command: %v", err)
	}
}

func TestExecEndsWithItsContainer(t *testing.T) {
	b := newBench(t)
	p := b.start(Options{Command: sh("sleep 1000")})
	started := make(chan struct{})
	done := make(chan Exit, 1)
	go func() {
		exit, _ := p.Exec(context.Background(), sh("echo on; sleep 1000"), Streams{Stdout: &onFirstWrite{ch: started}})
		done <- exit
	}()
	<-started
	p.Stop(context.Background(), time.Minute)
	if exit := <-done; exit.Signal != 9 {
		t.Errorf("exit %+v, want SIGKILL", exit)
	}
	if _, err := p.Exec(context.Background(), sh("true"), Streams{}); !errors.Is(err, ErrNotRunning) {
		t.Errorf("exec in a container that ended: %v", err)
	}
}

type onFirstWrite struct {
	once sync.Once
	ch   chan struct{}
}

func (w *onFirstWrite) Write(p []byte) (int, error) {
	w.once.Do(func() { close(w.ch) })
	return len(p), nil
}
