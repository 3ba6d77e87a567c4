package canary

import (
	"encoding/json"
	"fmt"
	"time"
)

// Duration is a time.Duration that is written "90s" or "5m0s" in JSON and YAML.
type Duration time.Duration

// Std is the same for package time.
func (d Duration) Std() time.Duration { return time.Duration(d) }

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalJSON takes a string only: a bare number has no unit.
func (d *Duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("%s is no duration such as \"90s\" or \"5m\"", text)
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is no duration such as \"90s\" or \"5m\"", s)
	}
	*d = Duration(v)
	return nil
}
