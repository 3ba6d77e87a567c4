// Package cli is canaryctl's command line: one file per command, and here what
// they share.
package cli

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// Run executes one command line and returns its exit status. args[0] is the
// name the program was called by.
func Run(ctx context.Context, args []string, streams Streams) int {
	f := NewFactory(streams)
	root := newRoot(f, displayName(args[0]))
	root.SetArgs(args[1:])
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil {
		if ctx.Err() != nil && !orderly(err) {
			err = context.Canceled
		}
		report(streams.Err, cmd, err)
	}
	return exitCode(err)
}

// orderly reports whether a command that was told to end says itself how it did. A
// request cut short by a signal fails in many words; what happened is that we were
// interrupted.
func orderly(err error) bool {
	return errors.Is(err, ErrUsage) || errors.Is(err, ErrRolledBack) || errors.Is(err, ErrInterrupted)
}

func newRoot(f *Factory, name string) *cobra.Command {
	root := &cobra.Command{
		Use:   "canaryctl",
		Short: "Move live traffic from the stable version to a canary, and back at once",
		Long: `canaryctl moves live traffic from the version that works (stable) to the
version that might (canary), a little at a time, and back at once.`,
		Example: `  # Start a canary beside the stable version; it gets no traffic yet
  canaryctl --app versioned-echo create-canary --image versioned-echo:v2 --replicas 2

  # Give it a tenth of the traffic
  canaryctl set-traffic 90 10

  # Back to the stable version, at once
  canaryctl rollback

  # Or make the canary the stable version, then remove the old one
  canaryctl promote
  canaryctl delete-canary`,
		Annotations:                exits(),
		SilenceErrors:              true,
		SilenceUsage:               true,
		DisableAutoGenTag:          true,
		SuggestionsMinimumDistance: 2,
		Args:                       knownCommand,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.Annotations[cobra.CommandDisplayNameAnnotation] = name
	root.SetIn(f.In)
	root.SetOut(f.Out)
	root.SetErr(f.Err)
	f.addFlags(root.PersistentFlags())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.SetHelpTemplate(helpTemplate)
	root.SetUsageTemplate(usageTemplate)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(&cobra.Command{Hidden: true})
	root.AddCommand(
		NewCmdRelease(f),
		NewCmdAdopt(f),
		NewCmdCreateCanary(f),
		NewCmdSetTraffic(f),
		NewCmdRollback(f),
		NewCmdPromote(f),
		NewCmdDeleteCanary(f),
		NewCmdPause(f),
		NewCmdResume(f),
		NewCmdAbort(f),
		NewCmdHistory(f),
		NewCmdProbe(f),
		NewCmdStatus(f),
		NewCmdAnalyze(f),
		NewCmdPlan(f),
		NewCmdReplay(f),
		NewCmdReport(f),
		NewCmdCalibrate(f),
		NewCmdVersion(f),
		NewCmdCompletion(f),
	)
	return root
}

// displayName is how the person calls us: as a plugin, "kubectl canary".
func displayName(arg0 string) string {
	base := strings.TrimSuffix(filepath.Base(arg0), ".exe")
	if plugin, ok := strings.CutPrefix(base, "kubectl-"); ok {
		return "kubectl " + strings.ReplaceAll(plugin, "_", "-")
	}
	return "canaryctl"
}

func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef("unknown command %q; did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return usagef("unknown command %q", args[0])
}

// noArgs refuses arguments as a usage error.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, and was given %q", cmd.Name(), args)
	}
	return nil
}

func commandPath(cmd *cobra.Command) string {
	if cmd == nil {
		return "canaryctl"
	}
	return cmd.CommandPath()
}
