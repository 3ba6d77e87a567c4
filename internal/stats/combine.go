package stats

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// LogAverage is log Σ u_i·E_i, the evidence of several metrics, or edges of one,
// taken together: a convex average of e-values is an e-value under any
// dependence, and no other symmetric way to merge them is essentially better.
// Vovk and Wang, "E-values: calibration, combination and applications", Annals of
// Statistics 49 (2021).
//
// Weights are not negative and sum to 1, and are fixed before the first look.
// Average the evidence of now, LogE, not peaks: a mean of peaks is no evidence.
func LogAverage(weights, logE []float64) (float64, error) {
	if err := validateAverage(weights, logE); err != nil {
		return 0, err
	}
	sum := math.Inf(-1)
	for i, u := range weights {
		if u > 0 {
			sum = logAdd(sum, math.Log(u)+logE[i])
		}
	}
	return sum, nil
}

// LogMean is LogAverage of two, of which the first has a weight strictly between 0
// and 1 and the other the rest.
func LogMean(weight, first, other float64) float64 {
	return logAdd(math.Log(weight)+first, math.Log1p(-weight)+other)
}

// Causes are the indices, ascending, of those that made the average reach
// 1/alpha: each i with u_i·E_i >= 1/alpha, which would have by itself, or else
// the one with the largest share.
func Causes(weights, logE []float64, alpha float64) ([]int, error) {
	if !validShare(alpha) {
		return nil, mistake("alpha", alpha, "between 0 and 1")
	}
	if err := validateAverage(weights, logE); err != nil {
		return nil, err
	}
	var (
		causes  []int
		largest int
		share   = func(i int) float64 { return math.Log(weights[i]) + logE[i] }
	)
	for i := range weights {
		if share(i) >= Threshold(alpha) {
			causes = append(causes, i)
		}
		if share(i) > share(largest) {
			largest = i
		}
	}
	if causes == nil {
		causes = []int{largest}
	}
	return causes, nil
}

func validateAverage(weights, logE []float64) error {
	if len(weights) != len(logE) || len(weights) == 0 {
		return fmt.Errorf("statistics: average %d e-values with %d weights", len(logE), len(weights))
	}
	var sum float64
	for _, u := range weights {
		if !(u >= 0) {
			return mistake("weight", u, "0 to 1")
		}
		sum += u
	}
	if math.Abs(sum-1) > 1e-9 {
		return mistake("sum of weights", sum, "1")
	}
	return validateLogE(logE)
}

func validateLogE(logE []float64) error {
	for _, v := range logE {
		if math.IsNaN(v) || math.IsInf(v, +1) {
			return mistake("log evidence", v, "a number")
		}
	}
	return nil
}

// EBH lists, ascending, which of many null hypotheses to reject so that at most
// alpha of those listed are true on average, under any dependence: the k* with
// the largest e-values, where
//
//	k* = max{ k : k·e_[k]/K >= 1/alpha }.
//
// Wang and Ramdas, "False discovery rate control with e-values", Journal of the
// Royal Statistical Society B 84 (2022), the e-BH procedure. Of many releases it
// lists the bad ones. It too takes LogE and not peaks: Tavyrikov, Goeman and de
// Heide, "Carefree multiple testing with e-processes" (2025).
func EBH(logE []float64, alpha float64) ([]int, error) {
	if !validShare(alpha) {
		return nil, mistake("alpha", alpha, "between 0 and 1")
	}
	if err := validateLogE(logE); err != nil {
		return nil, err
	}
	order := make([]int, len(logE))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(logE[j], logE[i]) })
	for k := len(order); k > 0; k-- {
		if math.Log(float64(k))+logE[order[k-1]]-math.Log(float64(len(order))) >= Threshold(alpha) {
			rejected := order[:k]
			slices.Sort(rejected)
			return rejected, nil
		}
	}
	return nil, nil
}
