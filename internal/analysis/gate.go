package analysis

import (
	"fmt"
	"math"
	"time"
)

// Restarts is the cause of a canary that failed because its containers did.
const Restarts = "restarts"

// Gate says what the canary's Pods may do. Counts of requests do not tell: a Pod
// that crashes takes its last errors with it, and one that is not ready gets no
// request to fail. These are rules and no statistics: α says nothing about them.
type Gate struct {
	// MaxRestarts of the canary's containers are let through, beyond those that
	// stable had per Pod and time. One more fails the canary for good.
	MaxRestarts int `json:"maxRestarts"`
	// Unready is for how many seconds a Pod of the canary may not be ready. It
	// cannot pass while one takes longer.
	Unready float64 `json:"unreadySeconds"`
	// Calm is how many seconds after a restart it cannot pass, if stable did not
	// restart as often.
	Calm float64 `json:"calmSeconds"`
}

// DefaultGate fails at the third restart, which a container that crashes at
// once makes in about a minute. The kubelet takes ten minutes without a crash for
// the end of a crash loop (its back-off begins anew then), and so does Calm.
func DefaultGate() Gate { return Gate{MaxRestarts: 2, Unready: 30, Calm: 600} }

// Validate names the first setting that cannot be meant.
func (g Gate) Validate() error {
	switch {
	case g.MaxRestarts < 0:
		return fmt.Errorf("analysis: %d restarts cannot be let through", g.MaxRestarts)
	case !(g.Unready >= 0 && g.Unready <= math.MaxInt32), !(g.Calm >= 0 && g.Calm <= math.MaxInt32):
		return fmt.Errorf("analysis: %v seconds unready and %v seconds of calm are no times to wait", g.Unready, g.Calm)
	}
	return nil
}

// Pod is what the cluster says of one Pod that is not on its way out.
type Pod struct {
	Name    string
	Version string
	Created time.Time
	Ready   bool
	Changed time.Time // when it became ready, or ceased to be; zero for unknown
	// Restarts of its containers since it was made, and when and how the last of
	// them ended; Ended is zero for unknown.
	Restarts int
	Ended    time.Time
	// Why is what is wrong with it, or how the last container ended, in words.
	Why string
}

// podWatch is what was seen of the Pods of both versions.
type podWatch struct {
	gate     Gate
	versions Versions
	begin    time.Time // restarts before are history
	at       time.Time // of the last sight
	now      []Pod     // at that sight
	blind    string    // why they could not be seen since
	pods     map[string]*podHistory
	missing  time.Time // since when the canary has no Pod
	restart  time.Time // of the canary, the last
	why      string    // how that came
	beyond   string    // what was restarted too often, once it was; stays
}

// podHistory is one Pod, be it gone or not.
type podHistory struct {
	version  string
	restarts int           // that were seen
	counted  int           // those of them after begin
	lived    time.Duration // after begin
	unready  time.Time     // since when; zero while it is ready
}

// see takes all Pods of both versions at a time.
func (w *podWatch) see(at time.Time, now []Pod) {
	if len(now) == 0 && len(w.pods) == 0 {
		return // labelled in another way; nothing is known of them
	}
	w.at, w.now, w.blind = at, now, ""
	w.forget()
	canary := false
	for _, p := range now {
		w.note(p)
		canary = canary || p.Version == w.versions.Canary
	}
	switch {
	case canary:
		w.missing = time.Time{}
	case w.missing.IsZero():
		w.missing = at
	}
	if extra := w.extra(); extra > float64(w.gate.MaxRestarts) && w.beyond == "" {
		w.beyond = w.tooOften()
	}
}

// manyGone is how many Pods that are gone are told apart, for those that come back
// after they could not be seen. A crash loop that a controller answers with new
// Pods would fill the memory, and the state, otherwise.
const manyGone = 256

// forget adds up what Pods did that are gone, where there are many.
func (w *podWatch) forget() {
	if len(w.pods) <= len(w.now)+manyGone {
		return
	}
	here := map[string]bool{}
	for _, p := range w.now {
		here[p.Name] = true
	}
	for name, h := range w.pods {
		sum := "gone/" + h.version // no Pod has such a name
		if here[name] || name == sum {
			continue
		}
		if w.pods[sum] == nil {
			w.pods[sum] = &podHistory{version: h.version}
		}
		w.pods[sum].counted += h.counted
		w.pods[sum].lived += h.lived
		delete(w.pods, name)
	}
}

func (w *podWatch) note(p Pod) {
	h := w.pods[p.Name]
	if h == nil {
		h = &podHistory{version: p.Version, restarts: w.history(p)}
		if !p.Ready && p.Changed.Before(w.at) {
			h.unready = p.Changed
		}
		w.pods[p.Name] = h
	}
	if more := p.Restarts - h.restarts; more > 0 {
		h.counted += more
		if p.Version == w.versions.Canary {
			w.restart, w.why = w.at, p.Why
			if !p.Ended.IsZero() && p.Ended.Before(w.at) {
				w.restart = p.Ended
			}
		}
	}
	h.restarts = p.Restarts
	since := w.begin
	if p.Created.After(since) {
		since = p.Created
	}
	h.lived = max(h.lived, w.at.Sub(since))
	switch {
	case p.Ready:
		h.unready = time.Time{}
	case h.unready.IsZero():
		h.unready = w.at
	}
}

// history is how many restarts of a Pod that is new to us were before we began.
// Of those of an older Pod it is only known when the last was.
func (w *podWatch) history(p Pod) int {
	switch {
	case p.Created.After(w.begin):
		return 0
	case p.Restarts > 0 && p.Ended.After(w.begin):
		return p.Restarts - 1
	}
	return p.Restarts
}

// extra is how many restarts of the canary stable's do not account for, in the
// time that the Pods of each have lived.
func (w *podWatch) extra() float64 {
	stable, canary := w.arm(w.versions.Stable), w.arm(w.versions.Canary)
	if stable.Seconds == 0 {
		return float64(canary.Restarts)
	}
	return float64(canary.Restarts) - float64(stable.Restarts)*canary.Seconds/stable.Seconds
}

// PodArm is what was seen of one version's Pods.
type PodArm struct {
	Pods     int     `json:"pods"`     // now
	Ready    int     `json:"ready"`    // of them
	Restarts int     `json:"restarts"` // since the analysis began, of Pods that are gone too
	Seconds  float64 `json:"-"`        // that they lived in that time, together
}

func (w *podWatch) arm(version string) PodArm {
	var a PodArm
	for _, p := range w.now {
		if p.Version != version {
			continue
		}
		if a.Pods++; p.Ready {
			a.Ready++
		}
	}
	for _, h := range w.pods {
		if h.version == version {
			a.Restarts += h.counted
			a.Seconds += h.lived.Seconds()
		}
	}
	return a
}

// outcome is pass where nothing of the Pods speaks against one.
func (w *podWatch) outcome() Outcome {
	switch {
	case w == nil:
		return Pass
	case w.beyond != "":
		return Fail
	case w.hold() != "":
		return Inconclusive
	}
	return Pass
}

// PodsVerdict is what the Pods say by themselves.
type PodsVerdict struct {
	Verdict Outcome `json:"verdict"`
	Reason  string  `json:"reason,omitempty"` // why it is not pass
	Stable  PodArm  `json:"stable"`
	Canary  PodArm  `json:"canary"`
}

// verdict is nil while no Pod has been seen.
func (w *podWatch) verdict() *PodsVerdict {
	if w == nil || w.at.IsZero() && w.blind == "" {
		return nil
	}
	v := &PodsVerdict{Verdict: w.outcome(), Stable: w.arm(w.versions.Stable), Canary: w.arm(w.versions.Canary)}
	switch v.Verdict {
	case Fail:
		v.Reason = w.beyond
	case Inconclusive:
		v.Reason = w.hold()
	}
	return v
}
