package main

import (
	"fmt"
	"time"

	"github.com/canaryctl/canaryctl/internal/probe"
)

// kind is a way to fail, and what the users are like who meet it.
type kind struct {
	name    string
	fault   string // the environment; %v is the share of bad requests
	timeout string // of the route; empty for none
	users   func(*probe.Config)
	// unseen by the application's own metrics, so that reading the Pods is no use.
	unseen bool
	// silent kinds have no first bad answer: they count from the first traffic on.
	silent bool
}

// kinds begin with the one that the others are compared with.
func kinds() []kind {
	return []kind{
		{name: "5xx", fault: "FAULT_ERROR_SHARE=%v"},
		{name: "time-out of the route", fault: "FAULT_LATENCY=3s,FAULT_LATENCY_SHARE=%v", timeout: "1s", unseen: true},
		{name: "hanging", fault: "FAULT_HANG_SHARE=%v", users: waiting, silent: true},
		{name: "given up after 1 s", fault: "FAULT_HANG_SHARE=%v", users: leaving, unseen: true},
		{name: "gRPC status", fault: "FAULT_GRPC_SHARE=%v", users: calling},
		{name: "broken-off body", fault: "FAULT_BREAK_SHARE=%v", unseen: true},
	}
}

func waiting(c *probe.Config) { c.Timeout, c.Concurrency = 2*time.Minute, probe.MaxConcurrency }
func leaving(c *probe.Config) { c.Timeout = time.Second }
func calling(c *probe.Config) { c.GRPC = true }

// trial is one kind of bad canary, how bad it is, and where the counts come from.
type trial struct {
	kind   kind
	share  float64
	source string
}

func (t trial) String() string {
	return fmt.Sprintf("%s, %g%% bad, counts from %s", t.kind.name, 100*t.share, t.source)
}

// trials are all that are measured. Where nobody counts a failure there is none.
func trials() []trial {
	var all []trial
	for _, k := range kinds() {
		for _, share := range []float64{0.2, 1} {
			for _, source := range sources() {
				if !k.unseen || source == "prometheus" {
					all = append(all, trial{k, share, source})
				}
			}
		}
	}
	return all
}
