package cli_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/canaryctl/canaryctl/internal/cli"
	"github.com/canaryctl/canaryctl/internal/record"
	"github.com/canaryctl/canaryctl/internal/record/recordtest"
)

// At a terminal, a page goes to a file that is named after the release.
func TestReportSparesTheTerminal(t *testing.T) {
	t.Chdir(t.TempDir())
	w, err := record.Create("release.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range recordtest.RolledBack() {
		if err := w.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	terminal, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	defer tty.Close()
	var narration bytes.Buffer
	code := cli.Run(t.Context(), []string{"canaryctl", "report", "release.jsonl"}, cli.Streams{Out: tty, Err: &narration})
	if code != 0 || narration.String() != "report of release \"shop-81c2\": shop-81c2.html\n" {
		t.Errorf("status %d: %s", code, &narration)
	}
	page, err := os.ReadFile("shop-81c2.html")
	if err != nil || !strings.HasPrefix(string(page), "<!DOCTYPE html>") {
		t.Errorf("no page: %v", err)
	}
}
