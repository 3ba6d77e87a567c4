package stats

// mixture is Σ_j π_j·M_j of nonnegative supermartingales M_j that start at 1, in
// the log domain.
type mixture struct {
	logPrior []float64 // log π_j
	logM     []float64 // log M_j
	logE     float64   // of the mixture, now: it is asked for more often than it changes
	peak     Peak      // of the mixture, over time
}

func newMixture(logPrior []float64) mixture {
	m := mixture{logPrior: logPrior, logM: make([]float64, len(logPrior))}
	m.sum()
	return m
}

// add multiplies every M_j by the exponential of its increment.
func (m *mixture) add(l *[maxTilts]float64) {
	for j := range m.logM {
		m.logM[j] += l[j]
	}
	m.sum()
	m.peak.raise(m.logE)
}

// sum takes the M_j together after a change.
func (m *mixture) sum() { m.logE = logSumExp(m.logPrior, m.logM) }

// LogE is the log evidence against the null, now.
func (m *mixture) LogE() float64 { return m.logE }

// PeakLogE is the greatest log evidence so far, at least 0: a null that was
// rejected once stays rejected.
func (m *mixture) PeakLogE() float64 { return float64(m.peak) }

// PValue is the sequential p-value of the null.
func (m *mixture) PValue() float64 { return m.peak.PValue() }
