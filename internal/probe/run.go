package probe

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Run sends requests until the duration, the count or the context ends, and
// returns what it saw: also when the context ended, which is the normal end of
// a probe without limits. It waits for the requests in flight, save when the
// context ended: those then count as sent and have no outcome.
//
// The error is about the configuration, or about weights that could not be read
// at the start; nothing was sent then.
func Run(ctx context.Context, c Config) (Result, error) {
	if err := c.Validate(); err != nil {
		return Result{}, fmt.Errorf("probe: %w", err)
	}
	var weights map[string]float64
	if c.Weights != nil {
		var err error
		if weights, err = c.Weights(ctx); err != nil {
			return Result{}, fmt.Errorf("probe: read the configured weights: %w", err)
		}
	}
	r := &run{
		Config: c,
		ledger: newLedger(c.Clock.Now(), weights),
		slots:  make(chan struct{}, c.Concurrency),
		sender: newSender(c),
	}
	defer r.sender.close()

	watching, stop := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	watchers.Go(func() { r.every(watching, c.ProgressEvery, r.report) })
	watchers.Go(func() { r.every(watching, c.WeightsEvery, r.refresh) })
	r.send(ctx)
	stop()
	watchers.Wait()
	r.refresh(ctx) // a change that no request of ours has met yet is not missed
	return r.result(), nil
}

// run is one call of Run.
type run struct {
	Config
	ledger *ledger
	slots  chan struct{} // one element per request in flight
	sender sender
}

// send is open loop: requests are due at fixed times from the start, whatever
// became of those before (Schroeder, Wierman and Harchol-Balter, "Open versus
// closed: a cautionary tale", NSDI 2006).
func (r *run) send(ctx context.Context) {
	var inFlight sync.WaitGroup
	defer inFlight.Wait()
	start, sent := r.Clock.Now(), 0
	for tick := 0; r.Count == 0 || sent < r.Count; tick++ {
		due := time.Duration(float64(tick) / r.Rate * float64(time.Second))
		if r.Duration > 0 && due >= r.Duration || !r.sleepUntil(ctx, start.Add(due)) {
			return
		}
		select {
		case r.slots <- struct{}{}:
		default:
			r.ledger.skip()
			continue
		}
		sent++
		phase := r.ledger.send()
		inFlight.Go(func() {
			defer func() { <-r.slots }()
			if o, ok := r.ask(ctx); ok {
				r.ledger.settle(phase, o)
			}
		})
	}
}

// ask sends one request, and reports ok unless ctx ended first: how that request
// would have ended, nobody knows.
func (r *run) ask(ctx context.Context) (o outcome, ok bool) {
	limited, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	o = r.sender.send(limited)
	answered := o.failure == "" && (o.end == good || o.end == bad)
	return o, answered || ctx.Err() == nil
}

// sleepUntil reports whether the time came before the end of the context.
func (r *run) sleepUntil(ctx context.Context, due time.Time) bool {
	if wait := due.Sub(r.Clock.Now()); wait > 0 {
		timer := r.Clock.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C():
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

func (r *run) every(ctx context.Context, period time.Duration, do func(context.Context)) {
	if period <= 0 {
		return
	}
	ticker := r.Clock.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C():
			do(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (r *run) report(context.Context) {
	if r.Progress != nil {
		r.Progress(r.result())
	}
}

// refresh reads the weights. Where that fails we go on with the last we know:
// requests are still being answered, and that is what the probe is for.
func (r *run) refresh(ctx context.Context) {
	if r.Weights == nil {
		return
	}
	if weights, err := r.Weights(ctx); err == nil {
		r.ledger.setWeights(r.Clock.Now(), weights)
	}
}

func (r *run) result() Result {
	result := r.ledger.result(r.Clock.Now())
	result.URL, result.Host = r.URL, r.Host
	return result
}
