package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/event"
)

// knownText says what is known of a canary: the sentence, the ratio with its
// interval, and the time still needed.
func knownText(k event.Known) string {
	parts := []string{k.Why}
	if len(k.Metrics) > 0 {
		if ratio := ratioText(k.Metrics[0]); ratio != "" {
			parts = append(parts, ratio)
		}
	}
	if k.Needed != nil {
		left := time.Duration(*k.Needed * float64(time.Second))
		parts = append(parts, fmt.Sprintf("a decision takes about %s more", brisk(left.Round(time.Second))))
	}
	return strings.Join(parts, "; ")
}

// ratioText is how many times as often the canary's requests are bad, where that
// is known at all.
func ratioText(m event.Metric) string {
	if m.Lower == nil || m.Ratio == nil && m.Upper == nil {
		return ""
	}
	upper := "any"
	if m.Upper != nil {
		upper = figure(analysis.Number(*m.Upper))
	}
	estimate := ""
	if m.Ratio != nil {
		estimate = figure(analysis.Number(*m.Ratio)) + " times, "
	}
	return fmt.Sprintf("ratio %sbetween %s and %s", estimate, figure(analysis.Number(*m.Lower)), upper)
}
