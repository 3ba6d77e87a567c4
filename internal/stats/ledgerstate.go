package stats

import (
	"slices"
	"time"
)

const kindLedger = "ledger"

// MarshalText encodes the scrapes: names of strata once, times as differences.
func (l *Ledger) MarshalText() ([]byte, error) {
	var (
		w     writer
		names = l.Strata()
		last  int64
	)
	w.uint(uint64(len(names)))
	for _, name := range names {
		w.string(name)
	}
	w.uint(uint64(len(l.scrapes)))
	for _, s := range l.scrapes {
		at := s.At.UnixMilli()
		w.uint(uint64(at - last)) // wraps around for a first time before 1970, and back
		last = at
		w.dispersion(s.Dispersion)
		w.uint(uint64(len(s.Strata)))
		for _, c := range s.Strata {
			i, _ := slices.BinarySearch(names, c.Stratum)
			w.uint(uint64(i))
			w.uint(c.StableTotal)
			w.uint(c.StableBad)
			w.uint(c.CanaryTotal)
			w.uint(c.CanaryBad)
		}
	}
	return seal(kindLedger, w), nil
}

// UnmarshalText decodes what MarshalText wrote, and checks it as Append does; an
// error wraps ErrState, and then the ledger is as it was.
func (l *Ledger) UnmarshalText(text []byte) error {
	r, err := unseal(kindLedger, text)
	if err != nil {
		return err
	}
	names := make([]string, r.length())
	for i := range names {
		names[i] = r.string()
	}
	var (
		decoded Ledger
		last    int64
	)
	for range r.length() {
		last += int64(r.uint())
		s := Scrape{At: time.UnixMilli(last).UTC(), Dispersion: r.dispersion()}
		for range r.length() {
			s.Strata = append(s.Strata, r.counts(names))
		}
		if r.err != nil {
			return r.err
		}
		if err := decoded.append(s); err != nil {
			return foreign(kindLedger, err)
		}
	}
	if err := r.done(); err != nil {
		return err
	}
	*l = decoded
	return nil
}

func (r *reader) counts(names []string) Counts {
	i := r.uint()
	if r.err == nil && i >= uint64(len(names)) {
		r.fail("stratum %d of %d", i, len(names))
	}
	if r.err != nil {
		return Counts{}
	}
	return Counts{
		Stratum:     names[i],
		StableTotal: r.uint(), StableBad: r.uint(),
		CanaryTotal: r.uint(), CanaryBad: r.uint(),
	}
}

// dispersion is mostly absent, which takes one byte.
func (w *writer) dispersion(v float64) {
	if v == 0 {
		w.uint(0)
		return
	}
	w.uint(1)
	w.float(v)
}

func (r *reader) dispersion() float64 {
	switch flag := r.uint(); flag {
	case 0:
		return 0
	case 1:
		return r.float()
	default:
		r.fail("flag %d", flag)
		return 0
	}
}
