package stats

import "math"

// tilt is a log ratio δ = log(p_canary / p_stable) of error rates, with what is
// needed of it at every update.
type tilt struct {
	log   float64 // δ
	less1 float64 // expm1(δ)
}

func newTilt(log float64) tilt { return tilt{log: log, less1: math.Expm1(log)} }

// tilts are likelihood ratios of log ratios δ_j against one null δ0. Given all
// errors E = e1+e2 of an interval, an error is the canary's with odds w·e^δ to
// 1−w, where w = n2/(n1+n2) is the canary's realised share of requests:
//
//	l(δ | δ0) = e2·(δ−δ0) − E·(λ_w(δ) − λ_w(δ0)),   λ_w(δ) = log(1 + w·(e^δ−1))
//
// The nuisance, the error rate itself, has dropped out, so it may do what it
// likes: Lindon and Malek, "Anytime-valid inference for multinomial count data",
// NeurIPS (2022), who treat counts of inhomogeneous Poisson processes this way.
//
// Conditioning on E is exact for Poisson counts. For independent requests, put
// c = λ_w(δ) − λ_w(δ0), a = e^(δ−δ0−c), b = e^−c. By 1+x <= e^x
//
//	E[exp l | past, n1, n2] <= exp( n2·p2·(a−1) + n1·p1·(b−1) ),
//
// which is 1 at p2 = e^δ0·p1, and less for p2 below it when δ > δ0, above it
// when δ < δ0. So the products are nonnegative supermartingales under the
// one-sided null, for any p1 and any weights chosen from the past.
type tilts struct {
	null    tilt
	against []tilt
}

func newTilts(null float64, distance []float64, sign float64) tilts {
	t := tilts{null: newTilt(null), against: make([]tilt, 0, maxTilts)}
	for _, d := range distance {
		t.against = append(t.against, newTilt(null+sign*d))
	}
	return t
}

// increments are the l of one scrape, one for each tilt. Strata are independent
// given the past, so they add up before the dispersion divides and the cap cuts:
// a burst that hits every route is still one burst. Neither hurts validity:
// E[X^(1/φ)] <= E[X]^(1/φ) <= 1 by Jensen, and a smaller X has a smaller mean.
func (t *tilts) increments(s Scrape, limit float64) [maxTilts]float64 {
	var l [maxTilts]float64
	for i := range s.Strata {
		t.add(&l, &s.Strata[i])
	}
	temper(l[:len(t.against)], s.dispersion(), limit)
	return l
}

// add is the formula. Without errors, or with traffic on one side only, an
// interval says nothing about the ratio.
func (t *tilts) add(l *[maxTilts]float64, c *Counts) {
	var (
		stable, canary = float64(c.StableTotal), float64(c.CanaryTotal)
		canaryBad      = float64(c.CanaryBad)
		bad            = float64(c.StableBad) + canaryBad
	)
	if bad == 0 || stable == 0 || canary == 0 {
		return
	}
	w := canary / (stable + canary)
	atNull := math.Log1p(w * t.null.less1)
	for j, d := range t.against {
		l[j] += canaryBad*(d.log-t.null.log) - bad*(math.Log1p(w*d.less1)-atNull)
	}
}

func temper(l []float64, dispersion, limit float64) {
	for j := range l {
		l[j] /= dispersion
		if limit > 0 {
			l[j] = min(l[j], limit)
		}
	}
}
