// Package demo walks a whole canary release in a lab of its own and tells what
// it sees: a good version that is promoted by evidence, and a bad one that is
// found out and taken back, each by one command that nobody attends to.
package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Config says how to run the demo.
type Config struct {
	// Bin is the folder of canaryctl, canary-lab, kubectl and versioned-echo.
	Bin string
	// Root is the folder that holds k8s/.
	Root string
	// StateDir is the lab's; empty means a temporary one.
	StateDir string
	// Keep leaves the lab up.
	Keep bool
	// Rate is the steady traffic, in requests/s, and Step how long the traffic is
	// watched where nothing happens any more.
	Rate int
	Step time.Duration
	// Picture is a file to draw the run into, as SVG; empty draws none.
	Picture string
	// Out gets the story. Colour and live lines are used where it is a terminal.
	Out *os.File
}

// Default is a demo of about a minute and a half.
func Default() Config {
	return Config{Root: ".", Rate: 150, Step: 8 * time.Second, Out: os.Stdout}
}

// Validate names the first field that cannot be worked with.
func (c Config) Validate() error {
	switch {
	case c.Rate < 20 || c.Rate > 2000:
		return fmt.Errorf("demo: %d requests/s; the demo is made for 20 to 2000", c.Rate)
	case c.Step < time.Second:
		return fmt.Errorf("demo: steps of %s are too short to see anything; 1s is the least", c.Step)
	}
	if _, err := os.Stat(c.Root + "/k8s/base"); err != nil {
		return fmt.Errorf("demo: no manifests here: %w; run it from the top of the repository, or name it with --root", err)
	}
	return nil
}

// Run tells the story. It ends what it started, also when ctx does.
func Run(ctx context.Context, c Config) (err error) {
	if err := c.Validate(); err != nil {
		return err
	}
	s, err := newStage(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(context.WithoutCancel(ctx))) }()
	for _, act := range []func(context.Context) error{
		s.cluster, s.stable, s.release, s.badRelease,
	} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return s.closing()
}
