package cli_test

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/canaryctl/canaryctl/internal/cli"
	"github.com/canaryctl/canaryctl/internal/kube"
)

// At a terminal, delete-canary asks before it takes traffic away.
func TestDeleteCanaryAsks(t *testing.T) {
	for _, test := range []struct {
		answer string
		code   int
		gone   bool
	}{
		{"y\n", cli.ExitDone, true},
		{"Yes\n", cli.ExitDone, true},
		{"n\n", cli.ExitFailed, false},
		{"\n", cli.ExitFailed, false},
	} {
		t.Run(strings.TrimSpace(test.answer), func(t *testing.T) {
			r := newRelease(t, [][]string{{"create-canary", "--image", "versioned-echo:v2"}, {"set-traffic", "50", "50"}})
			terminal, tty, err := pty.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer terminal.Close()
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				answer(terminal, "Give that to v1, and delete v2? [y/N] ", test.answer)
			}()
			code := cli.Run(t.Context(), []string{"canaryctl", "--kubeconfig", r.kubeconfig, "delete-canary"},
				cli.Streams{In: tty, Out: &r.narration, Err: tty})
			tty.Close()
			<-answered
			if code != test.code {
				t.Errorf("status %d, want %d", code, test.code)
			}
			if gone := r.server.Get(kube.Deployments(), "default", "versioned-echo-v2") == nil; gone != test.gone {
				t.Errorf("the Deployment is gone: %t, want %t", gone, test.gone)
			}
		})
	}
}

// At a terminal, adopt asks before it changes anything.
func TestAdoptAsks(t *testing.T) {
	for _, test := range []struct {
		answer string
		code   int
	}{{"yes\n", cli.ExitDone}, {"n\n", cli.ExitFailed}} {
		t.Run(strings.TrimSpace(test.answer), func(t *testing.T) {
			r := newPlain(t, plainRoute+plainRule)
			before := r.dump(t)
			terminal, tty, err := pty.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer terminal.Close()
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				answer(terminal, "Do that? [y/N] ", test.answer)
			}()
			code := cli.Run(t.Context(), []string{"canaryctl", "--kubeconfig", r.kubeconfig, "adopt", "--settle", "0"},
				cli.Streams{In: tty, Out: &r.narration, Err: tty})
			tty.Close()
			<-answered
			if code != test.code {
				t.Errorf("status %d, want %d", code, test.code)
			}
			if changed := r.dump(t) != before; changed != (test.code == cli.ExitDone) {
				t.Errorf("something was changed: %t", changed)
			}
		})
	}
}

// answer types a line at the question, and reads on until the terminal closes:
// an unread terminal blocks who writes to it.
func answer(terminal *os.File, question, line string) {
	var seen strings.Builder
	in := bufio.NewReader(terminal)
	for asked := false; ; {
		c, err := in.ReadByte()
		if err != nil {
			return
		}
		seen.WriteByte(c)
		if !asked && strings.HasSuffix(seen.String(), question) {
			asked = true
			if _, err := terminal.WriteString(line); err != nil {
				return
			}
		}
	}
}
