package release

import (
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// observe is all that Next may know of the world.
func (e *Engine) observe() canary.Observation {
	now, release := e.c.Clock.Now(), e.now()
	figures := e.evidence.analysis.Figures()
	o := canary.Observation{
		Now: now, Weights: e.route.Weights,
		Verdict:     e.evidence.verdict(),
		Exposure:    e.evidence.analysis.CanarySince(e.counting(now)),
		Total:       figures.Canary.Requests,
		Harm:        figures.Harm,
		HarmError:   figures.HarmError,
		Rate:        figures.Rate,
		Risk:        figures.Risk,
		Needs:       figures.Needs,
		Lag:         figures.Least + max(time.Second, e.evidence.typical),
		Silent:      e.evidence.silent(now),
		CanaryReady: e.made() && e.versions.Ready(e.place.Canary) > 0 && !e.versions.Deployments[e.place.Canary].Deleting,
		StableReady: e.versions.Ready(e.place.Stable) > 0,
		Broken:      e.broken,
		Gate:        e.gate.answer,
		Foreign:     e.foreign(),
		Interrupted: e.stop != "",
	}
	o.StableSilent, o.CanarySilent = e.evidence.analysis.Silence()
	if known := e.evidence.latest(); known != nil && known.Verdict == o.Verdict {
		o.Why = known.Why
	}
	if e.made() && !e.unready.IsZero() {
		o.Unready = now.Sub(e.unready)
	}
	if release.Rolling() {
		o.Rolled, o.Undoable = e.seenRoll(), e.undoable()
	}
	return o
}

// seenRoll is how far the stable Deployment is. What is seen lags behind what was
// just sent. A roll that was refused asks a person once; after that the old version
// is as whole as before the roll, and the traffic may go back to it.
func (e *Engine) seenRoll() canary.Roll {
	seen := e.watchedRoll()
	switch {
	case e.unrolled:
		return ""
	case seen != "" || !e.rolled:
		return seen
	case !e.refused:
		return canary.Rolling
	case e.now().Phase == canary.Promoting:
		return canary.RollFailed
	}
	return ""
}

// undoable reports whether the stable Deployment can be taken back.
func (e *Engine) undoable() bool {
	return e.c.Unroll != nil && !e.unrolled && !e.kept && e.versions.Deployments[e.place.Stable].Undoable
}

func (e *Engine) watchedRoll() canary.Roll {
	return workload.Rolled(e.versions.Deployments[e.place.Stable], e.versions.Deployments[e.place.Canary])
}

// seeVersions takes what the Pods are now. What cannot be known now is as it was.
func (e *Engine) seeVersions(s workload.Sight) {
	now := e.c.Clock.Now()
	e.evidence.seePods(now, s)
	if s.Err != nil {
		return
	}
	e.versions = s
	e.sighted = true
	e.followed = e.followed || e.rolled && e.watchedRoll() != ""
	switch d := s.Deployments[e.place.Canary]; {
	case !d.Gone && !d.Deleting:
		e.lost = time.Time{}
	case e.lost.IsZero():
		e.lost = now
	}
	switch {
	case s.Ready(e.place.Canary) > 0:
		e.unready = time.Time{}
	case e.unready.IsZero():
		e.unready = now
	}
}

// missing reports whether somebody deletes the canary before its first step, and
// nobody has resumed the release since. What is seen may lag behind what was made.
func (e *Engine) missing() bool {
	const lag = 2 * time.Second
	return e.absent() && e.c.Clock.Since(e.lost) >= lag && !e.now().Resumed.After(e.lost)
}

// absent reports whether the canary that was made for the first step is not seen.
func (e *Engine) absent() bool { return e.prepared && e.now().Step < 0 && !e.lost.IsZero() }

// havePrepared takes the outcome of an attempt to make the canary.
func (e *Engine) havePrepared(err error) {
	switch {
	case err == nil:
		e.prepared, e.unready = true, time.Time{}
		if !e.lost.IsZero() {
			e.lost = e.c.Clock.Now()
		}
	case again(err):
		e.warnOnce("preparing the canary failed, retrying", err)
	default:
		e.broken = err.Error()
	}
}
