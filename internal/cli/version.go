package cli

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what `canaryctl version` prints.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// NewCmdVersion prints what this binary is.
func NewCmdVersion(f *Factory) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:         "version",
		Short:       "Print the version",
		Example:     "  canaryctl version\n  canaryctl version -o json",
		Annotations: exits(),
		Args:        noArgs,
		RunE: func(*cobra.Command, []string) error {
			b := readBuild()
			switch output {
			case "":
				_, err := fmt.Fprintf(f.Out, "canaryctl %s (%s, %s)\n", b.Version, b.Go, b.Platform)
				return err
			case "json":
				return json.NewEncoder(f.Out).Encode(b)
			}
			return usagef("-o %s: version prints json or plain text", output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "output format: json")
	return cmd
}

func buildVersion() string { return readBuild().Version }

// readBuild asks the binary itself: the go command records module version and
// commit, so no linker flag has to be remembered.
func readBuild() build {
	b := build{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}
