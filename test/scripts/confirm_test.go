package scripts

import (
	"io"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// A person at a terminal sees the context and may say no; no other answer than
// yes deploys.
func TestDemoAsksAPerson(t *testing.T) {
	tests := []struct {
		name, types, env string
		deploys          bool
	}{
		{"yes", "y\n", "", true},
		{"no", "n\n", "", false},
		{"nothing", "\n", "", false},
		{"said so before", "", "YES=1", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := demoStage(t, "kubectl")
			s.env = append(s.env, tt.env)
			cmd := s.command(t, "demo.sh", inContext("canary-lab"))
			terminal, err := pty.Start(cmd)
			if err != nil {
				t.Fatal(err)
			}
			defer terminal.Close()
			if _, err := io.WriteString(terminal, tt.types); err != nil {
				t.Fatal(err)
			}
			// Linux answers EIO once the last writer is gone.
			said, _ := io.ReadAll(terminal)
			err = cmd.Wait()
			if deployed := len(mutating(s.calls(t))) > 0; deployed != tt.deploys || (err == nil) != tt.deploys {
				t.Errorf("deployed: %t, and ended with %v\n%s", deployed, err, said)
			}
			if !strings.Contains(string(said), "context canary-lab, namespace default") {
				t.Errorf("it does not say where:\n%s", said)
			}
		})
	}
}
