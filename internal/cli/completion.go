package cli

import (
	"github.com/spf13/cobra"
)

// NewCmdCompletion prints a completion script for a shell.
func NewCmdCompletion(f *Factory) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a completion script for your shell",
		Example: `  source <(canaryctl completion bash)
  canaryctl completion zsh > "${fpath[1]}/_canaryctl"
  canaryctl completion fish | source
  canaryctl completion powershell | Out-String | Invoke-Expression`,
		Annotations: exits(),
		ValidArgs:   shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("name one shell of %q", shells)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(f.Out, true)
			case "zsh":
				return root.GenZshCompletion(f.Out)
			case "fish":
				return root.GenFishCompletion(f.Out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(f.Out)
			}
			return usagef("unknown shell %q: name one of %q", args[0], shells)
		},
	}
}
