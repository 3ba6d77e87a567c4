package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	"github.com/canaryctl/canaryctl/lab/internal/lab"
)

type upOptions struct {
	*common
	detach bool
	reset  bool
	images []string
	report int // file descriptor that a detached lab reports its start to
}

func newUp(c *common) *cobra.Command {
	o := &upOptions{common: c}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the lab",
		Long: `Start the lab and wait until it can be worked with. It stays in the foreground until Ctrl-C, or
with --detach goes on in the background until "canary-lab down".

What was in the cluster when the lab was last stopped is there again, unless --reset is given.`,
		Example: `  canary-lab up
  canary-lab up --detach
  canary-lab up --detach --reset --image shop:v1=./bin/shop`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	cmd.Flags().BoolVarP(&o.detach, "detach", "d", false, "return once the lab is ready, and leave it running")
	cmd.Flags().BoolVar(&o.reset, "reset", false, "start from nothing: forget what an earlier lab kept")
	cmd.Flags().StringArrayVar(&o.images, "image", nil, "NAME=PATH: the executable that stands for an image; may be repeated")
	cmd.Flags().IntVar(&o.report, "report-fd", 0, "")
	_ = cmd.Flags().MarkHidden("report-fd")
	return cmd
}

func (o *upOptions) run(ctx context.Context) error {
	dir, err := o.dir()
	if err != nil {
		return err
	}
	images, err := parseImages(o.images)
	if err != nil {
		return err
	}
	if state, err := dir.ReadState(); err == nil {
		return o.alreadyUp(dir, state)
	}
	if o.detach {
		return o.detached(ctx, dir)
	}
	return o.foreground(ctx, dir, images)
}

// alreadyUp is no error: the lab that was asked for is there.
func (o *upOptions) alreadyUp(dir lab.Dir, state lab.State) error {
	if o.reset {
		return fmt.Errorf("%w in %s, and --reset would take its state away; stop it first: %s",
			lab.ErrRunning, dir, o.command("down"))
	}
	fmt.Fprintf(o.Err, "The lab is already running (process %d, since %s).\n",
		state.Lab.Pid, state.Started.Format(time.TimeOnly))
	o.nextSteps()
	return nil
}

// foreground is the lab itself, with or without a terminal.
func (o *upOptions) foreground(ctx context.Context, dir lab.Dir, images map[string]string) error {
	if err := os.MkdirAll(filepath.Dir(dir.Log("lab")), 0o700); err != nil {
		return fmt.Errorf("make the log directory: %w", err)
	}
	log, err := os.OpenFile(dir.Log("lab"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the lab's log: %w", err)
	}
	defer func() { _ = log.Close() }()

	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	klog.SetSlogLogger(logger) // what the Kubernetes client libraries say
	show, reportReady := o.reporter()
	l, err := lab.New(lab.Config{
		Dir:      dir,
		Images:   images,
		Reset:    o.reset,
		Progress: show,
		Log:      logger,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	told := make(chan struct{})
	go func() {
		defer close(told)
		select {
		case <-l.Ready():
			reportReady()
		case <-ctx.Done():
		}
	}()
	err = l.Run(ctx)
	cancel()
	<-told
	return err
}

// reporter says where the news of the start go: to the process that waits for a detached lab,
// else to the person.
func (o *upOptions) reporter() (show func(lab.Progress), ready func()) {
	if o.report > 0 {
		sender := newSender(os.NewFile(uintptr(o.report), "report"))
		return sender.progress, sender.ready
	}
	began := time.Now()
	screen := newScreen(o.Err)
	return screen.progress, func() {
		screen.finish(time.Since(began))
		o.nextSteps()
		fmt.Fprintln(o.Err, "\nCtrl-C stops the lab.")
	}
}

func (o *upOptions) nextSteps() {
	fmt.Fprintf(o.Err, `
Try next:
  eval "$(%s)"
  kubectl apply -f k8s/base
  canaryctl --ns default --app versioned-echo create-canary --image versioned-echo:v2 --replicas 2
`, o.command("env"))
}

// command is how to call another command for the same lab.
func (c *common) command(name string) string {
	if c.stateDir == "" {
		return "canary-lab " + name
	}
	return "canary-lab " + name + " --state-dir " + quote(c.stateDir)
}

func parseImages(arguments []string) (map[string]string, error) {
	images := map[string]string{}
	for _, argument := range arguments {
		name, path, err := parseImage(argument)
		if err != nil {
			return nil, err
		}
		images[name] = path
	}
	return images, nil
}

// parseImage reads NAME=PATH, and checks that PATH can be run.
func parseImage(argument string) (name, path string, err error) {
	name, path, found := strings.Cut(argument, "=")
	if !found || name == "" || path == "" {
		return "", "", usageError{fmt.Errorf("image %q: want NAME=PATH, such as shop:v1=./bin/shop", argument)}
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", "", fmt.Errorf("image %s: %w", name, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", "", fmt.Errorf("image %s: %w", name, err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return "", "", fmt.Errorf("image %s: %w", name, errors.New(path+" is not an executable file"))
	}
	return name, path, nil
}
