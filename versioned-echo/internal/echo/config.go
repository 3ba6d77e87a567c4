// Package echo is a small service, of HTTP, gRPC and WebSocket on one port, that
// says which version of itself answered, counts what it did, and misbehaves on request.
package echo

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"
)

// Config is everything that is decided before the service starts.
type Config struct {
	Version string // what /version answers
	Pod     string // who answers, for a person
	Host    string // address to bind; empty is every interface
	Port    int

	LogLevel slog.Level

	// DrainDelay is how long the service goes on answering, with a failing
	// /health, after it was told to stop: load balancers need that long to
	// hear that the Pod is leaving.
	DrainDelay time.Duration
	// DrainTimeout is how long requests in flight may take after that.
	DrainTimeout time.Duration

	StartDelay     time.Duration // fault: time before listening
	Faults         Faults        // faults from the start
	FaultsEndpoint bool          // whether /faults may change them
}

// Default is a healthy v1. The two drain times stay below the 30 s of grace
// that Kubernetes gives a Pod.
func Default() Config {
	return Config{
		Version:      "v1",
		Port:         8080,
		DrainDelay:   3 * time.Second,
		DrainTimeout: 20 * time.Second,
		Faults:       NoFaults(),
	}
}

// FromEnv reads the environment on top of Default. It reports everything that
// is wrong, each by the name of its variable.
func FromEnv(lookup func(string) (string, bool)) (Config, error) {
	c := Default()
	c.Pod, _ = os.Hostname()
	e := environment{lookup: lookup}
	e.text("APP_VERSION", &c.Version)
	e.text("HOST", &c.Host)
	e.text("POD_NAME", &c.Pod)
	e.parse("PORT", func(s string) (err error) { c.Port, err = strconv.Atoi(s); return err })
	e.parse("LOG_LEVEL", func(s string) error { return c.LogLevel.UnmarshalText([]byte(s)) })
	e.duration("DRAIN_DELAY", &c.DrainDelay)
	e.duration("DRAIN_TIMEOUT", &c.DrainTimeout)

	e.duration("FAULT_START_DELAY", &c.StartDelay)
	e.parse("FAULT_UNHEALTHY", func(s string) (err error) { c.Faults.Unhealthy, err = strconv.ParseBool(s); return err })
	e.duration("FAULT_CRASH_AFTER", (*time.Duration)(&c.Faults.CrashAfter))
	e.share("FAULT_ERROR_SHARE", &c.Faults.ErrorShare)
	e.parse("FAULT_ERROR_STATUS", func(s string) (err error) { c.Faults.ErrorStatus, err = strconv.Atoi(s); return err })
	e.duration("FAULT_ERROR_AFTER", (*time.Duration)(&c.Faults.ErrorAfter))
	e.share("FAULT_GRPC_SHARE", &c.Faults.GRPCShare)
	e.parse("FAULT_GRPC_STATUS", func(s string) (err error) { c.Faults.GRPCStatus, err = parseStatus(s); return err })
	e.text("FAULT_GRPC_WHEN", (*string)(&c.Faults.GRPCWhen))
	e.share("FAULT_HANG_SHARE", &c.Faults.HangShare)
	e.share("FAULT_BREAK_SHARE", &c.Faults.BreakShare)
	e.share("FAULT_RESET_SHARE", &c.Faults.ResetShare)
	e.duration("FAULT_LATENCY", (*time.Duration)(&c.Faults.Latency))
	e.share("FAULT_LATENCY_SHARE", &c.Faults.LatencyShare)
	e.parse("FAULTS_ENDPOINT", func(s string) (err error) { c.FaultsEndpoint, err = parseSwitch(s); return err })
	if err := errors.Join(e.errs...); err != nil {
		return Config{}, err
	}
	return c, c.Validate()
}

// Validate says what is wrong in words that name the variable to change.
func (c Config) Validate() error {
	var errs []error
	if !versionLike(c.Version) {
		errs = append(errs, fmt.Errorf("APP_VERSION=%q: want 1 to 63 letters, digits, '-', '_' or '.', as in a Kubernetes label", c.Version))
	}
	if c.Port < 1 || c.Port > 65535 {
		errs = append(errs, fmt.Errorf("PORT=%d: want a port from 1 to 65535", c.Port))
	}
	if c.DrainDelay < 0 || c.DrainTimeout < 0 || c.StartDelay < 0 {
		errs = append(errs, errors.New("DRAIN_DELAY, DRAIN_TIMEOUT and FAULT_START_DELAY must not be negative"))
	}
	if err := c.Faults.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("FAULT_*: %w", err))
	}
	return errors.Join(errs...)
}

// Address is what to listen on.
func (c Config) Address() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }

// versionLike keeps the version fit for a label, a metric and a JSON string.
func versionLike(s string) bool {
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		digit := r >= '0' && r <= '9'
		if !letter && !digit && r != '-' && r != '_' && r != '.' {
			return false
		}
	}
	return s != "" && len(s) <= 63
}

func parseSwitch(s string) (bool, error) {
	switch s {
	case "enabled":
		return true, nil
	case "disabled":
		return false, nil
	}
	return false, errors.New("want enabled or disabled")
}
