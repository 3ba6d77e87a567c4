package report

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/canaryctl/canaryctl/internal/analysis"
)

// axis maps values to a share of its length.
type axis struct {
	low, high float64
	log       bool
	ticks     []tick
}

type tick struct {
	at    float64
	label string
}

// share is where v lies, from 0 at low to 1 at high; what is beyond lies at the end.
func (a axis) share(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		low, high, v = math.Log(low), math.Log(high), math.Log(max(v, math.SmallestNonzeroFloat64))
	}
	if !(high > low) {
		return 0
	}
	return min(1, max(0, (v-low)/(high-low)))
}

// upTo is an axis from 0 with few round ticks; write makes their labels.
func upTo(high float64, write func(float64) string) axis {
	step := round125(max(high, 1e-9) / 4)
	a := axis{high: step * math.Ceil(max(high, 1e-9)/step)}
	for i := 0; ; i++ {
		at := step * float64(i)
		if at > a.high*1.001 {
			return a
		}
		a.ticks = append(a.ticks, tick{at, write(at)})
	}
}

// round125 is the next of 1, 2, 5, 10, 20 ... that is not below v.
func round125(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v*0.9999 {
			return m * power
		}
	}
	return 10 * power
}

// ratios is an axis of factors that holds low and high, and shows 1.
func ratios(low, high float64) axis {
	const least, most = 0.01, 1000
	low, high = max(least, min(low, 0.5)), min(most, max(high, 2))
	a := axis{low: 1 / round125(1/low), high: round125(high), log: true}
	steps := []float64{1, 2, 5}
	if a.high/a.low > 20 {
		steps = steps[:1]
	}
	for power := least; power <= most; power *= 10 {
		for _, m := range steps {
			if at := m * power; at >= a.low*0.999 && at <= a.high*1.001 {
				a.ticks = append(a.ticks, tick{at, digits(at) + "×"})
			}
		}
	}
	return a
}

// odds is an axis of natural logarithms of odds that holds what decides. What
// lies far beyond says no more.
func odds(decides float64) axis {
	const most = 12 * math.Ln10
	decides = min(decides, most)
	a := axis{low: -math.Ln10, high: max(1, decides) + math.Ln10/2}
	step := math.Ceil((a.high - a.low) / math.Ln10 / 5)
	for power := 0.0; power*math.Ln10 <= a.high; power += step {
		a.ticks = append(a.ticks, tick{power * math.Ln10, digits(math.Pow(10, power)) + ":1"})
	}
	if step == 1 {
		a.ticks = append(a.ticks, tick{-math.Ln10, "1:10"})
	}
	return a
}

// timeTicks are round times along so many seconds.
func timeTicks(seconds float64) []tick {
	const most = 9
	step := 86400 * math.Ceil(seconds/86400/most)
	for _, s := range []float64{0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200} {
		if seconds/s <= most {
			step = s
			break
		}
	}
	var ticks []tick
	for i := 0; step*float64(i) <= seconds; i++ {
		at := step * float64(i)
		ticks = append(ticks, tick{at, span(time.Duration(at * float64(time.Second)))})
	}
	return ticks
}

// span is a duration in at most two units: "4.2 s", "2 min 5 s", "1 h 30 min".
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + span(-d)
	case d == 0:
		return "0"
	case d < 10*time.Second:
		return digits(math.Round(d.Seconds()*10)/10) + " s"
	case d < time.Minute-time.Second/2:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour-time.Second/2:
		return units(d.Round(time.Second), time.Minute, "min", time.Second, "s")
	case d < 48*time.Hour:
		return units(d.Round(time.Minute), time.Hour, "h", time.Minute, "min")
	}
	return units(d.Round(time.Hour), 24*time.Hour, "days", time.Hour, "h")
}

func units(d, large time.Duration, larges string, small time.Duration, smalls string) string {
	text := fmt.Sprintf("%d %s", d/large, larges)
	if rest := d % large / small; rest > 0 {
		text += fmt.Sprintf(" %d %s", rest, smalls)
	}
	return text
}

// digits writes a number with two significant digits, and all before the point.
func digits(v float64) string {
	switch {
	case v >= 1e15:
		return strconv.FormatFloat(v, 'g', 2, 64)
	case v >= 100:
		return analysis.Thousands(uint64(math.Round(v)))
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 2, 64), 64)
	if err != nil {
		rounded = v
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}
