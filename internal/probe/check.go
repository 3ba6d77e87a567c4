package probe

import (
	"fmt"
	"strings"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// FalseAlarm is the probability with which Check at most calls a split wrong
// that is as configured.
const FalseAlarm = 1e-6

// Agreement is the outcome of comparing a phase's answers with its weights.
type Agreement struct {
	Agrees bool `json:"agrees"`
	// PValue is that of the version that agrees least.
	PValue float64 `json:"pValue"`
	Detail string  `json:"detail"`
}

// Check tests, version by version and exactly, whether the answers of a phase
// can be the work of its weights. The false-alarm probability is shared out
// among the versions (Bonferroni). Answers that named no version are left out:
// nobody knows whose they are.
func Check(p Phase) Agreement {
	recognised := p.Recognised()
	out := Agreement{Agrees: true, PValue: 1}
	var wrong []string
	for _, v := range p.Versions {
		weight := 0.0
		if v.Weight != nil {
			weight = *v.Weight
		}
		pValue := stats.BinomialTest(v.Requests, recognised, weight/100)
		out.PValue = min(out.PValue, pValue)
		if pValue < FalseAlarm/float64(len(p.Versions)) {
			wrong = append(wrong, fmt.Sprintf("%s has weight %g%% and answered %d of %d (%.1f%%, p = %.2g)",
				v.Name, weight, v.Requests, recognised, 100*v.Share, pValue))
		}
	}
	if len(wrong) > 0 {
		out.Agrees, out.Detail = false, strings.Join(wrong, "; ")
		return out
	}
	out.Detail = fmt.Sprintf("%d answers agree with the configured weights (p = %.2g)", recognised, out.PValue)
	return out
}
