package stats

import (
	"fmt"
	"iter"
	"slices"
	"time"
)

// Ledger keeps what every scrape added, in the order of time. The evidence does
// not need it; the confidence sequence of the ratio does, and so does whoever
// wants to replay a release with other settings. The zero value is empty.
type Ledger struct {
	scrapes []Scrape
	total   Counts
}

// Append adds a scrape at the end. It keeps a copy, with the time in whole
// milliseconds. An error wraps ErrCounts, ErrDispersion or ErrClock, and leaves
// the ledger as it was: append here before updating evidence, and no scrape is
// ever counted twice.
func (l *Ledger) Append(s Scrape) error {
	s.At = time.UnixMilli(s.At.UnixMilli()).UTC()
	s.Strata = slices.Clone(s.Strata)
	if err := l.append(s); err != nil {
		return fmt.Errorf("append the scrape of %s to the ledger: %w", s.At.Format(time.RFC3339Nano), err)
	}
	return nil
}

func (l *Ledger) append(s Scrape) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if n := len(l.scrapes); n > 0 && !s.At.After(l.scrapes[n-1].At) {
		return fmt.Errorf("%w: the last scrape was at %s", ErrClock, l.scrapes[n-1].At.Format(time.RFC3339Nano))
	}
	total := l.total
	for i, c := range s.Strata {
		if slices.ContainsFunc(s.Strata[:i], func(other Counts) bool { return other.Stratum == c.Stratum }) {
			return fmt.Errorf("%w: stratum %q is there twice", ErrCounts, c.Stratum)
		}
		total = total.plus(c)
		if err := total.Validate(); err != nil { // sums of two valid counts do not wrap
			return fmt.Errorf("sum of all scrapes: %w", err)
		}
	}
	l.scrapes, l.total = append(l.scrapes, s), total
	return nil
}

func (c Counts) plus(other Counts) Counts {
	c.StableTotal += other.StableTotal
	c.StableBad += other.StableBad
	c.CanaryTotal += other.CanaryTotal
	c.CanaryBad += other.CanaryBad
	return c
}

// Len is the number of scrapes.
func (l *Ledger) Len() int { return len(l.scrapes) }

// End is the time of the last scrape; zero without one.
func (l *Ledger) End() time.Time {
	if len(l.scrapes) == 0 {
		return time.Time{}
	}
	return l.scrapes[len(l.scrapes)-1].At
}

// All yields the scrapes in the order of time. They are the ledger's own: read,
// do not write.
func (l *Ledger) All() iter.Seq[Scrape] { return slices.Values(l.scrapes) }

// Total is the sum over all scrapes and strata.
func (l *Ledger) Total() Counts { return l.total }

// Strata are the names of the strata, sorted.
func (l *Ledger) Strata() []string {
	var names []string
	for _, s := range l.scrapes {
		for _, c := range s.Strata {
			if i, found := slices.BinarySearch(names, c.Stratum); !found {
				names = slices.Insert(names, i, c.Stratum)
			}
		}
	}
	return names
}

// Only is the ledger of one stratum: what it says by itself.
func (l *Ledger) Only(stratum string) *Ledger {
	only := new(Ledger)
	for _, s := range l.scrapes {
		i := slices.IndexFunc(s.Strata, func(c Counts) bool { return c.Stratum == stratum })
		if i < 0 {
			continue
		}
		s.Strata = s.Strata[i : i+1 : i+1]
		only.scrapes, only.total = append(only.scrapes, s), only.total.plus(s.Strata[0])
	}
	return only
}

// Coarse is a ledger of at most n scrapes with the same totals: the newest half of
// them is as it was, those before are merged, as many into each. Merged scrapes
// have the larger dispersion, so they say rather less about the ratio; where the
// canary's share of the requests changed among them they say it less exactly. It
// takes a row for each half, so n below 2 is 2.
func (l *Ledger) Coarse(n int) *Ledger {
	n = max(n, 2)
	if len(l.scrapes) <= n {
		return l
	}
	older := len(l.scrapes) - (n+1)/2
	size := (older + n/2 - 1) / (n / 2)
	coarse := &Ledger{total: l.total}
	for group := range slices.Chunk(l.scrapes[:older], size) {
		coarse.scrapes = append(coarse.scrapes, together(group))
	}
	coarse.scrapes = append(coarse.scrapes, l.scrapes[older:]...)
	return coarse
}

// together is one scrape for some that came one after the other.
func together(scrapes []Scrape) Scrape {
	sum := Scrape{At: scrapes[len(scrapes)-1].At}
	for _, s := range scrapes {
		sum.Dispersion = max(sum.Dispersion, s.Dispersion)
		for _, c := range s.Strata {
			i := slices.IndexFunc(sum.Strata, func(other Counts) bool { return other.Stratum == c.Stratum })
			if i < 0 {
				sum.Strata = append(sum.Strata, c)
				continue
			}
			sum.Strata[i] = sum.Strata[i].plus(c)
		}
	}
	return sum
}

// Merge makes one ledger of two, such as those of two routes, or of before and
// after a restart. Strata counted at the same moment become one scrape, with the
// larger dispersion; the same stratum at the same moment in both is an error
// that wraps ErrCounts.
func Merge(a, b *Ledger) (*Ledger, error) {
	all := slices.Concat(a.scrapes, b.scrapes)
	slices.SortStableFunc(all, func(x, y Scrape) int { return x.At.Compare(y.At) })
	merged := new(Ledger)
	for i := 0; i < len(all); i++ {
		s := all[i]
		if i+1 < len(all) && all[i+1].At.Equal(s.At) { // at most two at once: each ledger has one
			i++
			s.Dispersion = max(s.Dispersion, all[i].Dispersion)
			s.Strata = slices.Concat(s.Strata, all[i].Strata)
		}
		if err := merged.append(s); err != nil {
			return nil, fmt.Errorf("merge the ledgers at %s: %w", s.At.Format(time.RFC3339Nano), err)
		}
	}
	return merged, nil
}
