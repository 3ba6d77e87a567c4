//go:build unix

package hook_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/hook"
)

// sh is a gate that runs a script, in the one shell that building this project needs.
func sh(script string, args ...string) hook.Gate {
	return hook.Gate{Command: &hook.Command{Args: append([]string{"bash", "-c", script}, args...)}}
}

func TestCommandAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		want         canary.Gate
		why          string
	}{
		{"0", "exit 0", "open", "bash ended with status 0"},
		{"its last words", "echo one; echo two; echo", "open", "two"},
		{"on either stream", "echo one; echo 2 of 9 tests failed >&2; exit 1", "denied", "2 of 9 tests failed"},
		{"75", "echo not yet; exit 75", "closed", "not yet"},
		{"denied without a word", "exit 9", "denied", "bash ended with status 9"},
		{"a shell that finds nothing", "no-such-program", "closed", "bash ended with status 127"},
		{"a shell whose child was killed", "bash -c 'kill -9 $$'; exit $?", "closed", "bash ended with status 137"},
		{"killed", "kill -9 $$", "closed", "bash was ended by a signal"},
		{"it does not read", "exec <&-; echo fine", "open", "fine"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, why := ask(t, sh(tt.script), config(newLeap()))
			if got != tt.want || why != tt.why {
				t.Errorf("%s: %q, want %s: %q", got, why, tt.want, tt.why)
			}
		})
	}
}

func TestCommandIsTold(t *testing.T) {
	dir := t.TempDir()
	got, why := ask(t, sh(`cat > "$0/stdin"; for name in "${!CANARYCTL_@}"; do echo -n "$name=${!name} "; done`, dir), config(newLeap()))
	want := "CANARYCTL_APP=versioned-echo CANARYCTL_BASIS= CANARYCTL_BEFORE=promotion CANARYCTL_BY= " +
		"CANARYCTL_FROM=v1 CANARYCTL_GATE=qa CANARYCTL_IMAGE=versioned-echo:v2 CANARYCTL_KIND=gate"
	if got != canary.GateOpen || !strings.HasPrefix(why, want) {
		t.Errorf("%s: %s\nwant %s", got, why, want)
	}
	_, why = ask(t, sh(`echo $CANARYCTL_KIND, $CANARYCTL_NAMESPACE/$CANARYCTL_APP: step $CANARYCTL_STEP of $CANARYCTL_STEPS at $CANARYCTL_WEIGHT%`), config(newLeap()))
	if want := "gate, shop/versioned-echo: step 2 of 3 at 50%"; why != want {
		t.Errorf("got %q, want %q", why, want)
	}
	text, err := os.ReadFile(filepath.Join(dir, "stdin"))
	if err != nil {
		t.Fatal(err)
	}
	var e event.Event
	if err := json.Unmarshal(text, &e); err != nil || e.Kind != event.Gate || e.Release.ID != "20260301-1a2b" {
		t.Errorf("on its standard input: %s (%v)", text, err)
	}
}

func TestNoShellBetween(t *testing.T) {
	_, why := ask(t, hook.Gate{Command: &hook.Command{Args: []string{"echo", "$HOME; exit 1", "*"}}}, config(newLeap()))
	if want := "$HOME; exit 1 *"; why != want {
		t.Errorf("got %q, want %q", why, want)
	}
}

// A command that hangs goes with all its children.
func TestCommandThatHangs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "child")
	gate := sh(`sleep 600 & echo $! > "$0"; wait`, file)
	gate.Command.Timeout = canary.Duration(200 * time.Millisecond)
	got, why := ask(t, gate, config(newLeap()))
	if want := "bash did not end within 200ms"; got != canary.GateClosed || why != want {
		t.Errorf("%s: %q, want %q", got, why, want)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); alive(pid); {
		if time.Now().After(deadline) {
			t.Fatalf("its child %d still runs", pid)
		}
	}
}

// alive is false for a process that only waits to be reaped.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// A process left behind holds the output open, and the answer stands.
func TestCommandThatLeavesAChild(t *testing.T) {
	file := filepath.Join(t.TempDir(), "child")
	got, why := ask(t, sh(`sleep 600 & echo $! > "$0"; echo fine`, file), config(newLeap()))
	if text, err := os.ReadFile(file); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if got != canary.GateOpen || why != "fine" {
		t.Errorf("%s: %s", got, why)
	}
}

func TestCommandThatDoesNotStart(t *testing.T) {
	c := config(newLeap())
	got, why := ask(t, hook.Gate{Command: &hook.Command{Args: []string{"/no/such/gate", "--token=s3cr3t"}}}, c)
	if got != canary.GateClosed || strings.Contains(why, "s3cr3t") || !strings.HasPrefix(why, "run gate: ") {
		t.Errorf("%s: %s", got, why)
	}
}

func TestCommandGetsEvents(t *testing.T) {
	file := filepath.Join(t.TempDir(), "events")
	n := notifier(t, config(newLeap()), hook.Notification{Command: &hook.Command{Args: []string{"bash", "-c", `cat >> "$0"; echo " $CANARYCTL_KIND" >> "$0"`, file}}})
	n.Notify(happened(event.Started, -1, 0, "begins"))
	n.Notify(happened(event.Promoted, 2, 100, "done"))
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 2 || !strings.HasSuffix(lines[0], "} started") || !strings.HasSuffix(lines[1], "} promoted") {
		t.Errorf("the command got:\n%s", text)
	}
}
