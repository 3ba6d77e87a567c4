package probe

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/lab/internal/podnet"
)

// Result is what the answers so far amount to.
type Result int32

// Unknown lasts until a threshold is first reached.
const (
	Unknown Result = iota
	Success
	Failure
)

// arrival is how long a process may take to listen before a refused connection
// counts, and arrivalPoll how often it is tried meanwhile. A kubelet starts a
// container more slowly than a process starts, and so asks first when the program
// is up; without this every start would begin with a failure and a whole period.
const (
	arrival     = 2 * time.Second
	arrivalPoll = 20 * time.Millisecond
)

// Prober asks one container one question, over and over.
type Prober struct {
	Spec  *corev1.Probe
	Check Check
	Clock clock.Clock
	// Failed hears of every failed check; Changed of every change of the Result.
	Failed  func(error)
	Changed func()

	result    atomic.Int32
	successes int32
	failures  int32
}

// Result returns the present result.
func (p *Prober) Result() Result { return Result(p.result.Load()) }

// Run probes until ctx ends. It is to be called when the container has started.
func (p *Prober) Run(ctx context.Context) {
	if !p.sleep(ctx, seconds(p.Spec.InitialDelaySeconds, 0)) {
		return
	}
	err := p.first(ctx)
	for {
		if ctx.Err() != nil {
			return // the container went away under the probe, which proves nothing
		}
		p.record(err)
		if !p.sleep(ctx, seconds(p.Spec.PeriodSeconds, 10)) {
			return
		}
		err = p.ask(ctx)
	}
}

// first asks again while nobody listens yet.
func (p *Prober) first(ctx context.Context) error {
	until := p.Clock.Now().Add(arrival)
	for {
		err := p.ask(ctx)
		absent := errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, podnet.ErrUnknown)
		if !absent || p.Clock.Now().After(until) || !p.sleep(ctx, arrivalPoll) {
			return err
		}
	}
}

func (p *Prober) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, seconds(p.Spec.TimeoutSeconds, 1))
	defer cancel()
	return p.Check(ctx)
}

func (p *Prober) record(err error) {
	if err == nil {
		p.successes, p.failures = p.successes+1, 0
		if p.successes >= atLeastOne(p.Spec.SuccessThreshold, 1) {
			p.set(Success)
		}
		return
	}
	p.successes, p.failures = 0, p.failures+1
	p.Failed(err)
	if p.failures >= atLeastOne(p.Spec.FailureThreshold, 3) {
		p.set(Failure)
	}
}

func (p *Prober) set(r Result) {
	if p.result.Swap(int32(r)) != int32(r) {
		p.Changed()
	}
}

// sleep says whether the time passed before ctx ended.
func (p *Prober) sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := p.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-ctx.Done():
		return false
	}
}

// seconds and atLeastOne fill in the API's defaults, which objects that did not
// come through an API server lack.
func seconds(n int32, otherwise time.Duration) time.Duration {
	if n == 0 {
		return otherwise * time.Second
	}
	return time.Duration(n) * time.Second
}

func atLeastOne(n, otherwise int32) int32 {
	if n <= 0 {
		return otherwise
	}
	return n
}
