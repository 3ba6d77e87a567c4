package main

import "math"

const (
	slo    = 0.01  // the share of failures that the threshold rules allow
	normal = 0.005 // the share that both versions have

	unevenSpread = 0.3
)

func always(v float64) func(float64) float64 { return func(float64) float64 { return v } }

// calm is the usual case of the tables: 50 requests/s, a tenth to the canary,
// one in two hundred fails.
func calm(name, story string) world {
	return world{
		name: name, story: story, independent: true,
		rps: always(50), weight: always(0.1), rate: always(normal), factor: always(1),
	}
}

// identical are releases of a canary that is no different from stable.
func identical() []world {
	constant := calm("constant", "50 requests/s, 10% to the canary, 0.5% fail")

	diurnal := calm("diurnal", "a day in an hour: 10 to 90 requests/s, 0.25% to 0.75% fail")
	diurnal.rps = func(m float64) float64 { return 50 + 40*math.Sin(2*math.Pi*m/60) }
	diurnal.rate = func(m float64) float64 { return normal * (1 + 0.5*math.Sin(2*math.Pi*m/60)) }

	ramped := calm("ramped weight", "1%, 5%, 10%, 25%, 50% and 75% to the canary, ten minutes each")
	ramped.weight = func(m float64) float64 {
		steps := []float64{0.01, 0.05, 0.1, 0.25, 0.5, 0.75}
		return steps[max(0, min(len(steps)-1, int(m/10)))]
	}

	outage := calm("shared outage", "for two minutes 20% of the requests to either version fail")
	outage.rate = func(m float64) float64 {
		if m >= 30 && m < 32 {
			return 0.2
		}
		return normal
	}

	quiet := calm("quiet service", "5 requests/s")
	quiet.rps = always(5)

	bursty := calm("bursty", "failures come in bursts of three on average, as of retries")
	bursty.independent, bursty.burst = false, 3

	spells := calm("Pod-correlated", "each Pod fails eight times as often for two minutes in thirty")
	spells.independent, spells.spells = false, true

	uneven := calm("uneven Pods", "Pods differ for good (standard deviation of the log rate 0.3), the canary has one")
	uneven.independent, uneven.spread = false, unevenSpread

	return []world{constant, diurnal, ramped, outage, quiet, bursty, spells, uneven}
}

// regressions are releases of a canary that fails more often.
func regressions() []world {
	worse := func(name string, rate float64) world {
		w := calm(name, "")
		w.factor = always(rate / normal)
		return w
	}
	return []world{worse("0.5% -> 1%", 0.01), worse("0.5% -> 1.5%", 0.015), worse("0.5% -> 5%", 0.05)}
}
