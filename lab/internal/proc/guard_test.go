package proc_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/canaryctl/canaryctl/lab/internal/proc"
)

// The tests run this binary again as a "lab" that is then killed.
const roleVariable = "PROC_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == "lab" {
		fmt.Fprintln(os.Stderr, labThatNeverEnds())
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// labThatNeverEnds starts a child with a grandchild, prints both process ids, and hangs.
func labThatNeverEnds() error {
	guard, err := proc.NewGuard()
	if err != nil {
		return err
	}
	child := exec.Command("/bin/sh", "-c", `sleep 600 & echo $! $$; wait`)
	child.Stdout = os.Stdout
	if err := guard.Start(child); err != nil {
		return err
	}
	fmt.Println(guard.Pid())
	return child.Wait()
}

func TestKillOfTheParentKillsGrandchildren(t *testing.T) {
	lab := exec.Command(os.Args[0])
	lab.Env = append(os.Environ(), roleVariable+"=lab")
	lab.Stderr = os.Stderr
	out, err := lab.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.Start(); err != nil {
		t.Fatal(err)
	}
	var family []proc.Identity
	lines := bufio.NewScanner(out)
	for len(family) < 3 && lines.Scan() {
		for _, field := range strings.Fields(lines.Text()) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatalf("not a process id: %q", lines.Text())
			}
			id, err := proc.Identify(pid)
			if err != nil {
				t.Fatal(err)
			}
			family = append(family, id)
		}
	}
	if len(family) != 3 {
		t.Fatalf("want child, grandchild and guard, got %v", family)
	}
	if err := lab.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var killed *exec.ExitError
	if err := lab.Wait(); !errors.As(err, &killed) {
		t.Fatalf("the lab ended with %v, want a kill", err)
	}
	for _, member := range family {
		await(t, fmt.Sprintf("process %d to die", member.Pid), func() bool { return !member.Alive() })
	}
}

func TestCloseKillsWhatIsLeftAndOnlyThat(t *testing.T) {
	guard, err := proc.NewGuard()
	if err != nil {
		t.Fatal(err)
	}
	var kept, released [2]*exec.Cmd
	for i := range kept {
		kept[i], released[i] = exec.Command("sleep", "600"), exec.Command("sleep", "600")
		for _, cmd := range []*exec.Cmd{kept[i], released[i]} {
			if err := guard.Start(cmd); err != nil {
				t.Fatal(err)
			}
		}
		if err := guard.Remove(released[i].Process.Pid); err != nil {
			t.Fatal(err)
		}
	}
	if err := guard.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range kept {
		if err := kept[i].Wait(); signalOf(err) != syscall.SIGKILL {
			t.Errorf("guarded process %d ended with %v, want SIGKILL", i, err)
		}
		if !proc.GroupAlive(released[i].Process.Pid) {
			t.Errorf("released process %d is gone", i)
		}
		if err := proc.KillGroup(released[i].Process.Pid, syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := released[i].Wait(); signalOf(err) != syscall.SIGTERM {
			t.Errorf("released process %d ended with %v, want SIGTERM", i, err)
		}
	}
	if err := guard.Start(exec.Command("true")); !errors.Is(err, proc.ErrGuardClosed) {
		t.Errorf("Start on a closed guard: %v, want ErrGuardClosed", err)
	}
	if err := guard.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestGuardRefusesGroupsThatAreNotOurs(t *testing.T) {
	guard, err := proc.NewGuard()
	if err != nil {
		t.Fatal(err)
	}
	defer guard.Close()
	for _, pgid := range []int{-1, 0, 1} {
		if guard.Add(pgid) == nil {
			t.Errorf("Add(%d) was accepted", pgid)
		}
		if proc.KillGroup(pgid, syscall.SIGKILL) == nil {
			t.Errorf("KillGroup(%d) was accepted", pgid)
		}
	}
}

func TestIdentityTellsProcessesApart(t *testing.T) {
	self, err := proc.Self()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child, err := proc.Identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if rss, pss := proc.RSS(self.Pid), proc.PSS(self.Pid); rss == 0 || pss > rss {
		t.Errorf("a living process holds %d bytes, %d as its share", rss, pss)
	}
	inherited := proc.Identity{Pid: self.Pid, Start: child.Start + "0"}
	if !self.Alive() || !child.Alive() || inherited.Alive() {
		t.Errorf("alive: self %t, child %t, a process with a number used again %t",
			self.Alive(), child.Alive(), inherited.Alive())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// A zombie, not waited for yet, is dead too.
	await(t, "the zombie to count as dead", func() bool { return !child.Alive() })
	_ = cmd.Wait()
	if child.Alive() {
		t.Error("a process that was waited for counts as alive")
	}
}

func signalOf(err error) syscall.Signal {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 0
	}
	return exit.Sys().(syscall.WaitStatus).Signal()
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
