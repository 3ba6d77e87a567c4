package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// stage is where the acts play: the lab's environment, the traffic, the record.
type stage struct {
	Config
	env     []string
	dir     string // temporary state directory, or ""
	up      bool
	traffic *load
	frames  chan struct{} // holds the latest half second that nobody waited for
	film    film
	canary  int // the configured weight
	hurt    int
	colour  bool
	act     int
}

func newStage(_ context.Context, c Config) (*stage, error) {
	s := &stage{Config: c, env: os.Environ(), frames: make(chan struct{}, 1)}
	s.colour = term.IsTerminal(int(c.Out.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if c.StateDir == "" { // the demo leaves a lab that is there alone
		dir, err := os.MkdirTemp("", "canaryctl-demo")
		if err != nil {
			return nil, fmt.Errorf("demo: %w", err)
		}
		s.dir, s.StateDir = dir, dir
	}
	s.setEnv("PATH", c.Bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	return s, nil
}

// close stops the traffic, then the lab unless it is to be kept.
func (s *stage) close(ctx context.Context) error {
	if s.traffic != nil {
		s.traffic.stop()
	}
	if s.up && s.Picture != "" {
		if err := s.film.draw(s.Picture); err != nil {
			return err
		}
	}
	if s.Keep {
		return nil
	}
	var err error
	if s.up {
		err = s.run(ctx, "canary-lab down"+s.stateDirFlag())
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
	return err
}

func (s *stage) stateDirFlag() string {
	if s.StateDir == "" {
		return ""
	}
	return " --state-dir " + s.StateDir
}

// enterLab does what eval "$(canary-lab env)" does to a shell.
func (s *stage) enterLab(ctx context.Context) error {
	s.up = true
	cmd := exec.CommandContext(ctx, "bash", "-c", `eval "$(canary-lab env`+s.stateDirFlag()+`)"; echo "$KUBECONFIG"; echo "$CANARY_LAB_ROUTER"`)
	cmd.Env = s.env
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("demo: read canary-lab env: %w", err)
	}
	lines := strings.Fields(string(out))
	if len(lines) != 2 {
		return fmt.Errorf("demo: canary-lab env names no kubeconfig and router: %q", out)
	}
	s.setEnv("KUBECONFIG", lines[0])
	s.traffic = newLoad(lines[1], s.Rate)
	return nil
}

// heed notes what a release says that the route is set to.
func (s *stage) heed(line string) {
	told := regexp.MustCompile(`^\d\d:\d\d:\d\d\s+(step|promoted|rolled-back)\s+(\d+)%`).FindStringSubmatch(line)
	if told == nil {
		return
	}
	s.canary, _ = strconv.Atoi(told[2]) // digits
	s.film.mark(time.Now(), fmt.Sprintf("%d/%d", 100-s.canary, s.canary))
}

func (s *stage) setEnv(key, value string) { s.env = append(s.env, key+"="+value) }

// run shows a command, runs it, and shows what it prints, as it prints it.
func (s *stage) run(ctx context.Context, line string) error { return s.exits(ctx, 0, line) }

// exits is run for a command that is to end with a status.
func (s *stage) exits(ctx context.Context, want int, line string) error {
	shown := strings.ReplaceAll(line, s.stateDirFlag(), "")
	fmt.Fprintf(s.Out, "   %s\n", s.paint(bold, "$ "+shown))
	argv := strings.Fields(line)
	cmd := exec.CommandContext(ctx, filepath.Join(s.Bin, argv[0]), argv[1:]...)
	cmd.Env, cmd.Dir = s.env, s.Root
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	var copied sync.WaitGroup
	copied.Go(func() {
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			s.heed(lines.Text())
			fmt.Fprintf(s.Out, "     %s\n", s.paint(dim, lines.Text()))
		}
	})
	// A detached lab keeps what it inherits; do not wait for its end.
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	writer.Close()
	copied.Wait()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == want:
		return nil
	case err != nil:
		return fmt.Errorf("demo: %s: %w", shown, err)
	case want != 0:
		return fmt.Errorf("demo: %s: exit status 0, want %d", shown, want)
	}
	return nil
}
