package stats

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// ErrState is wrapped by every error of decoding what MarshalText wrote.
var ErrState = errors.New("damaged or foreign state")

// State is written as kind/version:base64(payload, CRC-32). The payload has
// floats as their bits, so that decoding gives back exactly what was encoded,
// and integers as varints. The sum is there because a flipped digit of base64 is
// a number too.
const stateVersion = "/1:"

func seal(kind string, payload []byte) []byte {
	payload = binary.LittleEndian.AppendUint32(payload, crc32.ChecksumIEEE(payload))
	return base64.RawURLEncoding.AppendEncode([]byte(kind+stateVersion), payload)
}

func unseal(kind string, text []byte) (*reader, error) {
	encoded, found := bytes.CutPrefix(text, []byte(kind+stateVersion))
	if !found {
		return nil, fmt.Errorf("decode %s: %w: does not begin with %q", kind, ErrState, kind+stateVersion)
	}
	payload, err := base64.RawURLEncoding.Strict().AppendDecode(nil, encoded)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w: %w", kind, ErrState, err)
	}
	body := len(payload) - crc32.Size
	if body < 0 || binary.LittleEndian.Uint32(payload[body:]) != crc32.ChecksumIEEE(payload[:body]) {
		return nil, fmt.Errorf("decode %s: %w: checksum differs", kind, ErrState)
	}
	return &reader{kind: kind, rest: payload[:body]}, nil
}

type writer []byte

func (w *writer) uint(v uint64)   { *w = binary.AppendUvarint(*w, v) }
func (w *writer) float(v float64) { *w = binary.LittleEndian.AppendUint64(*w, math.Float64bits(v)) }
func (w *writer) string(v string) { w.uint(uint64(len(v))); *w = append(*w, v...) }
func (w *writer) floats(v ...float64) {
	for _, f := range v {
		w.float(f)
	}
}

// reader remembers its first error, and from then on gives zeros.
type reader struct {
	kind string
	rest []byte
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("decode %s: %w: "+format, append([]any{r.kind, ErrState}, args...)...)
	}
	r.rest = nil
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail("an integer is cut short")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// length is of a list whose elements take at least a byte each, so that no state
// can ask for more memory than a multiple of its own size.
func (r *reader) length() int {
	v := r.uint()
	if v > uint64(len(r.rest)) {
		r.fail("a list of %d is cut short", v)
		return 0
	}
	return int(v)
}

func (r *reader) string() string {
	n := r.length()
	v := string(r.rest[:n])
	r.rest = r.rest[n:]
	return v
}

// float refuses what no process can hold; sums of evidence end far below 1e300.
func (r *reader) float() float64 {
	v := r.anyFloat()
	if !(math.Abs(v) <= 1e300) {
		r.fail("%v is not evidence", v)
		return 0
	}
	return v
}

func (r *reader) anyFloat() float64 {
	if len(r.rest) < 8 {
		r.fail("a number is cut short")
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(r.rest))
	r.rest = r.rest[8:]
	return v
}

// done returns the first error, or one for what is left over.
func (r *reader) done() error {
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%d bytes too many", len(r.rest))
	}
	return r.err
}
