package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/lab/internal/lab"
)

func newEnv(c *common) *cobra.Command {
	return &cobra.Command{
		Use:   "env",
		Short: "Print what a shell needs to work in the lab",
		Long: `Print the variables by which kubectl, canaryctl and curl find the lab, for a POSIX shell to evaluate.
Where kubectl lies beside canary-lab, its folder is put into PATH.`,
		Example: `  eval "$(canary-lab env)"`,
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			dir, err := c.dir()
			if err != nil {
				return err
			}
			state, err := dir.ReadState()
			if err != nil {
				return err
			}
			executable, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find the lab's own executable: %w", err)
			}
			writeEnv(c.Out, dir, state, toolFolder(executable, os.Getenv("PATH")))
			return nil
		},
	}
}

// writeEnv prints shell commands; tools is the folder to put into PATH, or "".
func writeEnv(out io.Writer, dir lab.Dir, state lab.State, tools string) {
	export := func(name, value string) { fmt.Fprintf(out, "export %s=%s\n", name, quote(value)) }
	export("KUBECONFIG", dir.Kubeconfig())
	export("CANARY_LAB_ROUTER", state.Router)
	export("CANARY_LAB_PROMETHEUS", state.Prometheus)
	if tools != "" {
		fmt.Fprintf(out, "export PATH=%s:\"$PATH\"\n", quote(tools))
	}
}

// toolFolder is the executable's, if kubectl lies there and PATH does not begin with it.
func toolFolder(executable, path string) string {
	folder := filepath.Dir(executable)
	if _, err := os.Stat(filepath.Join(folder, "kubectl")); err != nil {
		return ""
	}
	if slices.Index(filepath.SplitList(path), folder) == 0 {
		return ""
	}
	return folder
}

// quote makes one word of a POSIX shell.
func quote(word string) string {
	plain := strings.IndexFunc(word, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+,", r)
	}) < 0
	if plain && word != "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
