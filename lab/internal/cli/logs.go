package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/lab/internal/lab"
)

// followPoll is how often a followed log is looked at.
const followPoll = 200 * time.Millisecond

func newLogs(c *common) *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs [COMPONENT]",
		Short: "Print the log of a part of the lab",
		Long: `Print the log of the lab itself, or of etcd, kube-apiserver or kube-controller-manager. The logs of
the last run stay there after the lab is stopped. For the logs of a Pod use kubectl logs.`,
		Example: `  canary-lab logs
  canary-lab logs kube-apiserver -f`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{errors.New("want at most one component")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := c.dir()
			if err != nil {
				return err
			}
			component := "lab"
			if len(args) == 1 {
				component = args[0]
			}
			return printLog(cmd.Context(), c.Out, dir, component, follow)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on printing what is added")
	return cmd
}

func printLog(ctx context.Context, out io.Writer, dir lab.Dir, component string, follow bool) error {
	known, err := components(dir)
	if err != nil {
		return err
	}
	if !slices.Contains(known, component) {
		return usageError{fmt.Errorf("no log of %q; there are: %s", component, strings.Join(known, ", "))}
	}
	file, err := os.Open(dir.Log(component))
	if err != nil {
		return fmt.Errorf("read the log of %s: %w", component, err)
	}
	defer func() { _ = file.Close() }()
	for {
		if _, err := io.Copy(out, file); err != nil {
			return fmt.Errorf("read the log of %s: %w", component, err)
		}
		if !follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(followPoll):
		}
		if err := rewindIfCut(file); err != nil {
			return err
		}
	}
}

// rewindIfCut goes back to the start of a log that a new run has begun anew.
func rewindIfCut(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	at, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if info.Size() < at {
		_, err = file.Seek(0, io.SeekStart)
	}
	return err
}

// components are those that have a log.
func components(dir lab.Dir) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(dir.Log("lab")))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no lab ever ran in %s; start one with: canary-lab up", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("find the lab's logs: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if name, ok := strings.CutSuffix(entry.Name(), ".log"); ok {
			names = append(names, name)
		}
	}
	return names, nil
}
