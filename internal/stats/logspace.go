package stats

import "math"

// Threshold is the log evidence at which a null hypothesis is rejected at level
// alpha: log(1/alpha). Ville's inequality, "Étude critique de la notion de
// collectif" (1939); in this use Ramdas et al. (2023).
func Threshold(alpha float64) float64 { return -math.Log(alpha) }

// logSumExp is log(Σ exp(a_j + b_j)), computed so that neither a huge nor a tiny
// term is lost. The logarithm of nothing is -Inf.
func logSumExp(a, b []float64) float64 {
	highest := math.Inf(-1)
	for j := range a {
		highest = max(highest, a[j]+b[j])
	}
	if math.IsInf(highest, -1) {
		return highest
	}
	var sum float64
	for j := range a {
		if less := a[j] + b[j] - highest; less > lost {
			sum += math.Exp(less)
		}
	}
	return highest + math.Log(sum)
}

// lost is below which a term changes no digit of a sum that is 1 or more: e^-37 is
// less than half of float64's last. Most of a mixture is soon ruled out so far.
const lost = -37

// logAdd is log(exp(a) + exp(b)).
func logAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if !(b-a > lost) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
