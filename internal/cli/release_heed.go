package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

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

// signalPatience is for a signal that ended the context and is on its way to heed.
const signalPatience = 100 * time.Millisecond

// wishOnTheWay is what the person wants done before the program ends; empty for
// what the plan says. The signal that ended the context comes to both in no certain
// order, and is waited for: taken for a second one, it would overrule what the
// first one asked for.
func (d *runner) wishOnTheWay(signals <-chan os.Signal) canary.Response {
	select {
	case first := <-signals:
		if first != os.Interrupt || !d.f.Interactive() {
			return ""
		}
	case <-d.f.Clock.After(signalPatience): // it ended for another reason
		return ""
	}
	if answer, answered := askInterrupt(d.f, signals); answered {
		return answer
	}
	return canary.Pause
}
