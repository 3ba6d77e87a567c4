package planfile

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// Share is a part of a whole, written 0.1 or 10%. It is a pflag.Value too.
type Share float64

// Set reads either way of writing it.
func (s *Share) Set(text string) error {
	number, inPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return fmt.Errorf("%q is not a number like 0.1, or a percentage like 10%%", text)
	}
	if inPercent {
		v /= 100
	}
	*s = Share(v)
	return nil
}

func (s Share) String() string { return strconv.FormatFloat(float64(s), 'g', -1, 64) }

// Type is what help calls it.
func (s Share) Type() string { return "share" }

// UnmarshalJSON takes a number, or text as Set does.
func (s *Share) UnmarshalJSON(text []byte) error { return s.Set(bare(text)) }

// Factor is what one reading may multiply the evidence by at most, above 1; 0 for
// no bound, written off.
type Factor float64

// Set reads a number, or off.
func (f *Factor) Set(text string) error {
	if *f = 0; text == "off" {
		return nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v > 1) {
		return fmt.Errorf("%q is no factor above 1, and not off", text)
	}
	*f = Factor(v)
	return nil
}

func (f Factor) String() string {
	if f == 0 {
		return "off"
	}
	return strconv.FormatFloat(float64(f), 'g', -1, 64)
}

// Type is what help calls it.
func (f Factor) Type() string { return "factor" }

// MarshalJSON writes a number, or off.
func (f Factor) MarshalJSON() ([]byte, error) { return numberOr("off", float64(f)) }

// UnmarshalJSON takes what MarshalJSON writes.
func (f *Factor) UnmarshalJSON(text []byte) error { return f.Set(bare(text)) }

// log is the factor as the statistics count it.
func (f Factor) log() float64 {
	switch f {
	case 0:
		return 0
	case 10:
		return math.Ln10 // the bits of the default, and so its hash
	}
	return math.Log(float64(f))
}

// Dispersion is what all evidence is divided by, 1 or more; 0 has it estimated,
// written auto.
type Dispersion float64

// Set reads a number, or auto.
func (d *Dispersion) Set(text string) error {
	if *d = 0; text == "auto" {
		return nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 1) {
		return fmt.Errorf("%q is not 1 or more, and not auto", text)
	}
	*d = Dispersion(v)
	return nil
}

func (d Dispersion) String() string {
	if d == 0 {
		return "auto"
	}
	return strconv.FormatFloat(float64(d), 'g', -1, 64)
}

// Type is what help calls it.
func (d Dispersion) Type() string { return "dispersion" }

// MarshalJSON writes a number, or auto.
func (d Dispersion) MarshalJSON() ([]byte, error) { return numberOr("auto", float64(d)) }

// UnmarshalJSON takes what MarshalJSON writes.
func (d *Dispersion) UnmarshalJSON(text []byte) error { return d.Set(bare(text)) }

// Quantile of latencies, between 0 and 1, written p95; 0 for none.
type Quantile float64

// Set reads p95, or p99.9.
func (q *Quantile) Set(text string) error {
	percent, ok := strings.CutPrefix(text, "p")
	v, err := strconv.ParseFloat(percent, 64)
	if !ok || err != nil || !(v > 0 && v < 100) {
		return fmt.Errorf("%q is not a quantile between p0 and p100, like p95 or p99.9", text)
	}
	*q = Quantile(math.Round(v*1e10) / 1e12) // 99.9/100 is no 0.999
	return nil
}

func (q Quantile) String() string {
	if q == 0 {
		return ""
	}
	return "p" + strconv.FormatFloat(math.Round(float64(q)*1e12)/1e10, 'g', -1, 64)
}

// MarshalJSON writes p95.
func (q Quantile) MarshalJSON() ([]byte, error) { return json.Marshal(q.String()) }

// UnmarshalJSON takes p95.
func (q *Quantile) UnmarshalJSON(text []byte) error { return q.Set(bare(text)) }

// GRPCStatus is the name of a status of gRPC, as Unavailable.
type GRPCStatus string

// UnmarshalJSON takes a name in any spelling, or a number.
func (s *GRPCStatus) UnmarshalJSON(text []byte) error {
	name, err := metrics.ParseGRPCStatus(bare(text))
	*s = GRPCStatus(name)
	return err
}

func numberOr(word string, v float64) ([]byte, error) {
	if v == 0 {
		return json.Marshal(word)
	}
	return json.Marshal(v)
}

// bare is the text of a JSON string, or of anything else as it stands.
func bare(text []byte) string {
	var s string
	if json.Unmarshal(text, &s) == nil {
		return s
	}
	return string(text)
}
