package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/release"
)

// heed passes on to an engine that the program is told to end. At a terminal
// Ctrl-C asks; a second one, and a SIGTERM, do not. The channel is closed when
// nothing is passed on any more.
func (d *runner) heed(asked, running context.Context, engine *release.Engine) <-chan struct{} {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer signal.Stop(signals)
		select {
		case <-running.Done():
			return
		case <-asked.Done():
		}
		engine.Interrupt(running, d.wishOnTheWay(signals))
		select {
		case <-running.Done():
		case <-signals: // whoever is not understood the first time
			engine.Interrupt(running, canary.Pause)
			<-running.Done()
		}
	}()
	return done
}

// wishOnTheWay is what the person wants done before the program ends; empty for
// what the plan says.
func (d *runner) wishOnTheWay(signals <-chan os.Signal) canary.Response {
	select {
	case first := <-signals:
		if first == os.Interrupt && d.f.Interactive() {
			answer, answered := askInterrupt(d.f, signals)
			if answered {
				return answer
			}
			return canary.Pause
		}
	default: // the context ended for another reason
	}
	return ""
}
