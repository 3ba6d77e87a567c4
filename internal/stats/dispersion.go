package stats

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// PodCounts is what one stable Pod answered between two scrapes.
type PodCounts struct {
	Pod        string
	Total, Bad uint64
}

// Dispersion estimates how much more the errors of stable Pods vary than those of
// independent requests would: retries, bursts and bad nodes come in clumps. With
// f_i = n_i/N the share of requests of Pod i, and E all errors of a block of
// scrapes,
//
//	φ = max(1, Σ Σ_i (e_i − E·f_i)² / Σ E·f_i·(1−f_i)),
//
// the larger of two: over blocks of 1 scrape, which sees bursts, and of 20, which
// sees Pods that stay bad for a while. This is Pearson's statistic over its
// degrees of freedom, given the totals: McCullagh and Nelder, "Generalized Linear
// Models" (1989), section 4.5. It is a ratio of sums, since a mean of ratios
// would be ruled by the blocks with hardly an error.
//
// The zero value is ready. Use Phi before the Update of the same scrape: the
// evidence of an interval may be divided only by what was known before it.
//
// A permanent difference between Pods is confounded with the version as long as
// few of them run the canary, and no statistic mends that: see
// [PodSpreadTolerance].
type Dispersion struct {
	short, long block
}

const (
	shortBlock = 1
	longBlock  = 20
)

// Update adds the counts of all stable Pods of one scrape. Entries of one Pod
// add up. On an error, which wraps ErrCounts, nothing has changed.
func (d *Dispersion) Update(pods []PodCounts) error {
	var sum PodCounts // valid as a whole, a block of scrapes cannot overflow
	for _, p := range pods {
		sum.Total, sum.Bad = sum.Total+p.Total, sum.Bad+p.Bad
		if err := cmp.Or(validateArm("stable", p.Bad, p.Total), validateArm("stable", sum.Bad, sum.Total)); err != nil {
			return fmt.Errorf("estimate the dispersion: Pod %s: %w", p.Pod, err)
		}
	}
	d.short.add(pods, shortBlock)
	d.long.add(pods, longBlock)
	return nil
}

// Phi is the estimate, at least 1: what [Scrape] takes as its dispersion.
func (d *Dispersion) Phi() float64 { return max(d.short.phi(), d.long.phi()) }

// Blocks are the two estimates of which Phi is the larger: over blocks of 1 scrape
// and of 20. Much more in the second than in the first says that Pods stay bad for
// a while, or for good.
func (d *Dispersion) Blocks() (short, long float64) { return d.short.phi(), d.long.phi() }

// block sums some scrapes by Pod, then adds their squares to those of the blocks
// before.
type block struct {
	pods    []PodCounts // sorted by name, so that sums come in one order
	scrapes int

	observed, expected float64 // sums of squares
}

func (b *block) add(pods []PodCounts, size int) {
	for _, p := range pods {
		i, found := slices.BinarySearchFunc(b.pods, p.Pod, func(q PodCounts, name string) int {
			return strings.Compare(q.Pod, name)
		})
		if !found {
			b.pods = slices.Insert(b.pods, i, PodCounts{Pod: p.Pod})
		}
		b.pods[i].Total += p.Total
		b.pods[i].Bad += p.Bad
	}
	if b.scrapes++; b.scrapes >= size {
		b.close()
	}
}

func (b *block) close() {
	var total, bad float64
	for _, p := range b.pods {
		total += float64(p.Total)
		bad += float64(p.Bad)
	}
	if total > 0 && bad > 0 {
		for _, p := range b.pods {
			share := float64(p.Total) / total
			off := float64(p.Bad) - bad*share
			b.observed += off * off
			b.expected += bad * share * (1 - share)
		}
	}
	b.pods, b.scrapes = b.pods[:0], 0
}

func (b *block) phi() float64 {
	if b.expected == 0 {
		return 1
	}
	return max(1, b.observed/b.expected)
}

// PodSpreadTolerance is the tolerance to ask for when the error rates of Pods
// differ for good, by a standard deviation of spread in the logarithm: what the
// mean of canary Pods exceeds that of stable Pods by, by chance, once in a
// hundred releases (2.33 is the 99% quantile of the normal distribution).
func PodSpreadTolerance(spread float64, canaryPods, stablePods int) (float64, error) {
	if !(spread >= 0 && spread <= math.Log(maxRatio)) {
		return 0, mistake("spread between Pods", spread, "a standard deviation of log rates")
	}
	if canaryPods < 1 || stablePods < 1 {
		return 0, fmt.Errorf("statistics: %d canary and %d stable Pods: at least one of each is needed", canaryPods, stablePods)
	}
	return math.Expm1(2.33 * spread * math.Sqrt(1/float64(canaryPods)+1/float64(stablePods))), nil
}
