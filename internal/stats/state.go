package stats

import "fmt"

// The state of a process holds its settings too, so that what is decoded goes on
// exactly where the encoded one stood, whatever the configuration says by then.

const (
	kindRollback       = "rollback"
	kindOnset          = "onset"
	kindNonInferiority = "noninferiority"
	kindAbsolute       = "absolute"
	kindShortfall      = "shortfall"
)

// MarshalText encodes the settings and the evidence.
func (r *Rollback) MarshalText() ([]byte, error) {
	var w writer
	w.floats(r.tolerance, r.limit)
	r.write(&w)
	return seal(kindRollback, w), nil
}

// UnmarshalText decodes what MarshalText wrote; an error wraps ErrState.
func (r *Rollback) UnmarshalText(text []byte) error {
	in, err := unseal(kindRollback, text)
	if err != nil {
		return err
	}
	decoded, err := NewRollback(Config{Tolerance: in.float(), Cap: in.float()})
	if err != nil {
		return foreign(kindRollback, err)
	}
	if decoded.read(in); in.done() != nil {
		return in.err
	}
	*r = *decoded
	return nil
}

// MarshalText encodes the settings and the evidence.
func (o *Onset) MarshalText() ([]byte, error) {
	var w writer
	w.floats(o.tolerance, o.limit)
	w.uint(uint64(o.planned))
	w.uint(uint64(o.seen))
	if o.seen > 0 { // before that every A_j is 0
		o.write(&w)
	}
	return seal(kindOnset, w), nil
}

// UnmarshalText decodes what MarshalText wrote; an error wraps ErrState.
func (o *Onset) UnmarshalText(text []byte) error {
	in, err := unseal(kindOnset, text)
	if err != nil {
		return err
	}
	c := Config{Tolerance: in.float(), Cap: in.float()}
	planned, seen := in.uint(), in.uint()
	if seen > planned || planned > maxOnset {
		in.fail("%d of %d intervals", seen, planned)
		return in.err
	}
	c.OnsetIntervals = int(planned)
	decoded, err := NewOnset(c)
	if err != nil {
		return foreign(kindOnset, err)
	}
	if decoded.seen = int(seen); seen > 0 {
		decoded.read(in)
		decoded.sum()
	}
	if in.done() != nil {
		return in.err
	}
	*o = *decoded
	return nil
}

// MarshalText encodes the settings and the evidence.
func (n *NonInferiority) MarshalText() ([]byte, error) {
	var w writer
	w.floats(n.margin, n.limit)
	n.write(&w)
	return seal(kindNonInferiority, w), nil
}

// UnmarshalText decodes what MarshalText wrote; an error wraps ErrState.
func (n *NonInferiority) UnmarshalText(text []byte) error {
	in, err := unseal(kindNonInferiority, text)
	if err != nil {
		return err
	}
	decoded, err := NewNonInferiority(Config{Margin: in.float(), Cap: in.float()})
	if err != nil {
		return foreign(kindNonInferiority, err)
	}
	if decoded.read(in); in.done() != nil {
		return in.err
	}
	*n = *decoded
	return nil
}

// MarshalText encodes the settings and the evidence.
func (a *Absolute) MarshalText() ([]byte, error) {
	var w writer
	w.floats(a.p0, a.sign, a.limit)
	a.write(&w)
	return seal(kindAbsolute, w), nil
}

// UnmarshalText decodes what MarshalText wrote; an error wraps ErrState.
func (a *Absolute) UnmarshalText(text []byte) error {
	in, err := unseal(kindAbsolute, text)
	if err != nil {
		return err
	}
	p0, sign, limit := in.float(), in.float(), in.float()
	if sign != 1 && sign != -1 {
		in.fail("direction %v", sign)
		return in.err
	}
	decoded, err := newAbsolute(p0, sign, limit)
	if err != nil {
		return foreign(kindAbsolute, err)
	}
	if decoded.read(in); in.done() != nil {
		return in.err
	}
	*a = *decoded
	return nil
}

// MarshalText encodes the settings and the evidence.
func (h *Shortfall) MarshalText() ([]byte, error) {
	var w writer
	w.floats(h.limit, h.reserve, h.drop, float64(h.peak))
	w.uint(uint64(h.bets))
	if h.bets > 0 { // before that nothing is bet
		w.float(h.logBet)
	}
	if h.alert {
		w.uint(1)
	}
	return seal(kindShortfall, w), nil
}

// UnmarshalText decodes what MarshalText wrote; an error wraps ErrState.
func (h *Shortfall) UnmarshalText(text []byte) error {
	in, err := unseal(kindShortfall, text)
	if err != nil {
		return err
	}
	decoded, err := NewShortfall(Config{Cap: in.float()})
	if err != nil {
		return foreign(kindShortfall, err)
	}
	decoded.reserve, decoded.drop, decoded.peak = in.float(), in.float(), Peak(in.float())
	bets := in.uint()
	if decoded.bets = int(min(bets, maxBets)); bets > 0 {
		decoded.logBet = in.float()
	}
	if in.err == nil && len(in.rest) > 0 {
		decoded.alert = in.uint() == 1
	}
	if bets > maxBets || !(decoded.reserve > 0 && decoded.reserve <= 1) || decoded.drop < 0 || decoded.peak < 0 {
		in.fail("%d bets, a reserve of %v, a drop of %v, a peak of %v", bets, decoded.reserve, decoded.drop, float64(decoded.peak))
	}
	if in.done() != nil {
		return in.err
	}
	*h = *decoded
	return nil
}

func (m *mixture) write(w *writer) {
	w.float(float64(m.peak))
	w.floats(m.logM...)
}

func (m *mixture) read(r *reader) {
	m.peak = Peak(r.float())
	for j := range m.logM {
		m.logM[j] = r.float()
	}
	m.sum()
	if m.peak < 0 {
		r.fail("peak evidence %v is below 0", float64(m.peak))
	}
}

func foreign(kind string, err error) error {
	return fmt.Errorf("decode %s: %w: %w", kind, ErrState, err)
}
