package stats

import (
	"fmt"
	"math"
)

const broadest = 0.5 // an edge that half of the answers exceed says little about the tail

// EdgeWeights shares the evidence about a latency among the edges of its
// histogram, given the fraction of stable's answers above each: half for the edge
// nearest to quantile q, the other half evenly for those from a tenth of 1−q up
// to half of the answers, which see a tail that grows elsewhere. Nearness is by
// the ratio of fractions, as evidence is. The weights are for [LogAverage].
//
// Choose from stable's data alone, before the canary has traffic. Fractions must
// not grow with the edge; without one slow answer all weight is on the lowest edge.
func EdgeWeights(q float64, slow []float64) ([]float64, error) {
	if !validShare(q) {
		return nil, mistake("quantile", q, "between 0 and 1")
	}
	if len(slow) == 0 {
		return nil, fmt.Errorf("statistics: no edges to choose from for quantile %v", q)
	}
	nearest := 0
	for i, s := range slow {
		if !(s >= 0 && s <= 1) || i > 0 && s > slow[i-1] {
			return nil, mistake(fmt.Sprintf("fraction above edge %d", i), s, "between 0 and that above the edge before")
		}
		if math.Abs(math.Log(s/(1-q))) < math.Abs(math.Log(slow[nearest]/(1-q))) {
			nearest = i
		}
	}
	var (
		weights = make([]float64, len(slow))
		others  []int
	)
	for i, s := range slow {
		if i != nearest && s >= (1-q)/10 && s <= broadest {
			others = append(others, i)
		}
	}
	if len(others) == 0 {
		weights[nearest] = 1
		return weights, nil
	}
	weights[nearest] = 0.5
	for _, i := range others {
		weights[i] = 0.5 / float64(len(others))
	}
	return weights, nil
}
