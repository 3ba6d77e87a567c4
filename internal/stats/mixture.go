package stats

import "math"

// mixture is Σ_j π_j·M_j of nonnegative supermartingales M_j that start at 1, in
// the log domain.
type mixture struct {
	logPrior []float64 // log π_j
	logM     []float64 // log M_j
	Peak               // of the mixture, over time
}

func newMixture(logPrior []float64) mixture {
	return mixture{logPrior: logPrior, logM: make([]float64, len(logPrior))}
}

// add multiplies every M_j by the exponential of its increment.
func (m *mixture) add(l *[maxTilts]float64) {
	for j := range m.logM {
		m.logM[j] += l[j]
	}
	m.raise(m.LogE())
}

// LogE is the log evidence against the null, now.
func (m *mixture) LogE() float64 { return logSumExp(m.logPrior, m.logM) }

// Peak is the greatest log evidence a process has had. Its zero value is that of
// a process that has just begun, at E = 1.
type Peak struct {
	logE float64
}

// PeakLogE is the greatest log evidence so far, at least 0. A null that was
// rejected once stays rejected.
func (p *Peak) PeakLogE() float64 { return p.logE }

// PValue is the sequential p-value, min(1, 1/max E): valid at every time at once.
// Johari, Pekelis and Walsh, "Always valid inference: continuous monitoring of
// A/B tests", Operations Research 70 (2022).
func (p *Peak) PValue() float64 { return math.Exp(-p.logE) }

func (p *Peak) raise(logE float64) { p.logE = max(p.logE, logE) }
