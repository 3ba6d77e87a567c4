package echo

import (
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
)

// environment reads variables into fields and collects what did not parse, so
// that a person hears of all mistakes at once. An empty variable counts as
// unset: that is what a manifest with an optional value produces.
type environment struct {
	lookup func(string) (string, bool)
	errs   []error
}

func (e *environment) parse(name string, set func(string) error) {
	value, ok := e.lookup(name)
	if !ok || value == "" {
		return
	}
	if err := set(value); err != nil {
		e.errs = append(e.errs, fmt.Errorf("%s=%q: %w", name, value, err))
	}
}

func (e *environment) text(name string, to *string) {
	e.parse(name, func(s string) error { *to = s; return nil })
}

func (e *environment) duration(name string, to *time.Duration) {
	e.parse(name, func(s string) (err error) { *to, err = time.ParseDuration(s); return err })
}

func (e *environment) share(name string, to *float64) {
	e.parse(name, func(s string) (err error) { *to, err = strconv.ParseFloat(s, 64); return err })
}

// parseStatus reads a gRPC status by number or by name: 13 or INTERNAL.
func parseStatus(s string) (code codes.Code, err error) {
	if _, failed := strconv.Atoi(s); failed != nil {
		s = strconv.Quote(s)
	}
	return code, code.UnmarshalJSON([]byte(s))
}
