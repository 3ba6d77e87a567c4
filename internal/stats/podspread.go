package stats

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
)

// PodSpread is how much Pods of one version differ for good.
type PodSpread struct {
	// Spread is the standard deviation of the logarithm of the Pods' own rates.
	Spread float64
	// Floor is what this history could just have shown: luck alone gives a larger
	// Spread once in twenty times. A Spread below it may be none.
	Floor float64
	// Pods and Blocks were compared. So few Pods tell their own spread to a part of
	// about 1/√(2(Pods−1)).
	Pods, Blocks int
}

// Shown reports whether there is more than luck.
func (s PodSpread) Shown() bool { return s.Spread > s.Floor }

const (
	mostBlocks  = 24
	apart       = 2     // blocks that far from each other are compared, where there are four
	oneInTwenty = 1.645 // quantile of the normal distribution
)

// EstimatePodSpread takes what each Pod answered between scrapes. It cuts them into
// up to 24 blocks of at least 20 scrapes, and takes for lasting what a Pod has too
// many of in one block and again in another. With e_ia errors of Pod i in block a,
// where it had the share f_ia of the requests, and E_ia = f_ia·Σ_i e_ia expected,
//
//	σ² = Σ_{a≠b} x_ab / Σ_{a≠b} Σ_i E_ia·E_ib·(1 − f_ia − f_ib + Σ_j f_ja·f_jb),
//	x_ab = Σ_i (e_ia − E_ia)(e_ib − E_ib).
//
// Luck, bursts and bad minutes of one block have nothing to do with those of
// another, so they cancel, however large they are; the denominator is what Pods with
// rates of variance 1 around their mean would give. Neighbouring blocks are left
// out, since a bad minute may lie in both. The spread is √log(1+σ²), as of rates
// whose logarithm is normal; the floor has 1.645 standard errors for σ², of which
// the square is 2·Σ x_ab² over the square of the denominator where Pods are alike.
//
// This is the method of moments for a component of variance (Searle, Casella and
// McCulloch, "Variance Components", 1992, chapter 5), with products of blocks in
// place of squares less their noise. Without two blocks, two Pods or an error it is
// not known. An error wraps ErrCounts.
func EstimatePodSpread(scrapes [][]PodCounts) (s PodSpread, known bool, err error) {
	pods := podsOf(scrapes)
	blocks, err := blocksOf(scrapes, pods)
	if err != nil || len(blocks) < 2 || len(pods) < 2 {
		return PodSpread{}, false, err
	}
	distance := 1
	if len(blocks) >= 4 {
		distance = apart
	}
	var sum, squares, unit float64
	for a := range blocks {
		for b := range blocks {
			if max(a-b, b-a) < distance {
				continue
			}
			x, of := blocks[a].with(blocks[b])
			sum, squares, unit = sum+x, squares+x*x, unit+of
		}
	}
	if !(unit > 0) {
		return PodSpread{}, false, nil
	}
	ofLog := func(variance float64) float64 { return math.Sqrt(math.Log1p(max(0, variance))) }
	return PodSpread{
		Spread: ofLog(sum / unit), Floor: ofLog(oneInTwenty * math.Sqrt(2*squares) / unit),
		Pods: len(pods), Blocks: len(blocks),
	}, true, nil
}

// podBlock is what is known of each Pod in one block, in the order of podsOf.
type podBlock []podExcess

type podExcess struct{ share, expected, excess float64 }

// with is x_ab, and what it would be of Pods whose rates vary by 1.
func (b podBlock) with(other podBlock) (x, unit float64) {
	var shares float64
	for i, p := range b {
		shares += p.share * other[i].share
	}
	for i, p := range b {
		q := other[i]
		x += p.excess * q.excess
		unit += p.expected * q.expected * (1 - p.share - q.share + shares)
	}
	return x, unit
}

// podsOf are the names of all Pods that answered anything, sorted.
func podsOf(scrapes [][]PodCounts) []string {
	seen := map[string]bool{}
	for _, s := range scrapes {
		for _, p := range s {
			if p.Total > 0 {
				seen[p.Pod] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// blocksOf cuts scrapes into blocks of one length; a rest is left out.
func blocksOf(scrapes [][]PodCounts, pods []string) ([]podBlock, error) {
	count := min(mostBlocks, len(scrapes)/longBlock)
	if count == 0 {
		return nil, nil
	}
	size := len(scrapes) / count
	blocks := make([]podBlock, count)
	for i := range blocks {
		var err error
		if blocks[i], err = blockOf(scrapes[i*size:(i+1)*size], pods); err != nil {
			return nil, err
		}
	}
	return blocks, nil
}

func blockOf(scrapes [][]PodCounts, pods []string) (podBlock, error) {
	sums := map[string]PodCounts{}
	var all PodCounts
	for _, p := range slices.Concat(scrapes...) {
		s := sums[p.Pod]
		s.Total, s.Bad, all.Total, all.Bad = s.Total+p.Total, s.Bad+p.Bad, all.Total+p.Total, all.Bad+p.Bad
		sums[p.Pod] = s
		if err := cmp.Or(validateArm("stable", p.Bad, p.Total), validateArm("stable", all.Bad, all.Total)); err != nil {
			return nil, fmt.Errorf("estimate the spread between Pods: Pod %s: %w", p.Pod, err)
		}
	}
	b := make(podBlock, len(pods))
	for i, name := range pods {
		if all.Total > 0 {
			share := float64(sums[name].Total) / float64(all.Total)
			expected := float64(all.Bad) * share
			b[i] = podExcess{share, expected, float64(sums[name].Bad) - expected}
		}
	}
	return b, nil
}
