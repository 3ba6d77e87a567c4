package analysis_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/analysis"
)

func second(n int) time.Time { return time.Unix(1_800_000_000+int64(n), 0) }

// sight is what is seen at a second.
type sight struct {
	at   int
	pods []analysis.Pod
}

// pod was made long before the analysis, and is ready.
func pod(name string, restarts int) analysis.Pod {
	version, _, _ := strings.Cut(name, "-")
	return analysis.Pod{Name: name, Version: version, Created: second(-9000), Changed: second(-8990), Ready: true, Restarts: restarts}
}

func crashed(name string, restarts, at int) analysis.Pod {
	p := pod(name, restarts)
	p.Ended, p.Why = second(at), "container app of Pod "+name+" ended with exit code 1"
	return p
}

func unready(name string, since int) analysis.Pod {
	p := pod(name, 0)
	p.Ready, p.Changed, p.Why = false, second(since), "container app of Pod "+name+" fails its readiness probe"
	return p
}

func young(p analysis.Pod, created int) analysis.Pod {
	p.Created = second(created)
	return p
}

// The canary's requests are good: whatever stands in the way is the Pods'. The
// analysis counts from second 0.
func TestGate(t *testing.T) {
	well := sight{0, []analysis.Pod{pod("v1-a", 4), pod("v1-b", 0), pod("v2-a", 1)}}
	for name, test := range map[string]struct {
		sights  []sight
		verdict analysis.Outcome
		reason  string
		canary  analysis.PodArm
	}{
		"well":                   {[]sight{well, {60, well.pods}}, analysis.Pass, "", analysis.PodArm{Pods: 1, Ready: 1}},
		"nobody has such labels": {[]sight{{0, nil}, {60, nil}}, analysis.Pass, "", analysis.PodArm{}},
		"restarted just now": {[]sight{well, {60, []analysis.Pod{pod("v1-a", 4), crashed("v2-a", 2, 50)}}}, analysis.Inconclusive,
			"v2 restarted once in 60 seconds of Pod time, v1 not once in 60 seconds: container app of Pod v2-a ended with exit code 1; " +
				"it may pass 10 minutes after the last restart", analysis.PodArm{Pods: 1, Ready: 1, Restarts: 1}},
		"restarted ten minutes ago": {[]sight{well, {60, []analysis.Pod{pod("v1-a", 4), crashed("v2-a", 2, 50)}}, {650, []analysis.Pod{pod("v1-a", 4), crashed("v2-a", 2, 50)}}},
			analysis.Pass, "", analysis.PodArm{Pods: 1, Ready: 1, Restarts: 1}},
		"as often as stable": {[]sight{well, {60, []analysis.Pod{crashed("v1-a", 5, 40), crashed("v2-a", 2, 50)}}}, analysis.Pass, "",
			analysis.PodArm{Pods: 1, Ready: 1, Restarts: 1}},
		"in a loop": {[]sight{well, {60, []analysis.Pod{pod("v1-a", 4), pod("v1-b", 0), crashed("v2-a", 4, 50)}}}, analysis.Fail,
			"v2 restarted 3 times in 60 seconds of Pod time, v1 not once in 2 minutes; up to 2 are let through beyond those of v1: " +
				"container app of Pod v2-a ended with exit code 1", analysis.PodArm{Pods: 1, Ready: 1, Restarts: 3}},
		"a loop that has ended": {[]sight{well, {60, []analysis.Pod{pod("v1-a", 4), crashed("v2-a", 4, 50)}}, {9000, []analysis.Pod{pod("v1-a", 4), pod("v2-b", 0)}}},
			analysis.Fail, "v2 restarted 3 times in 60 seconds of Pod time, v1 not once in 60 seconds; up to 2 are let through beyond those of v1: " +
				"container app of Pod v2-a ended with exit code 1", analysis.PodArm{Pods: 1, Ready: 1, Restarts: 3}},
		"a loop of both": {[]sight{well, {60, []analysis.Pod{crashed("v1-a", 5, 40), crashed("v1-b", 2, 40), crashed("v2-a", 4, 50)}}}, analysis.Inconclusive,
			"v2 restarted 3 times in 60 seconds of Pod time, v1 3 times in 2 minutes: container app of Pod v2-a ended with exit code 1; " +
				"it may pass 10 minutes after the last restart", analysis.PodArm{Pods: 1, Ready: 1, Restarts: 3}},
		"restarted before, as far as anybody knows": {[]sight{{20, []analysis.Pod{pod("v1-a", 0), crashed("v2-a", 7, -1)}}}, analysis.Pass, "",
			analysis.PodArm{Pods: 1, Ready: 1}},
		"an old Pod was restarted after the beginning": {[]sight{{20, []analysis.Pod{pod("v1-a", 0), crashed("v2-a", 7, 1)}}}, analysis.Inconclusive,
			"v2 restarted once in 20 seconds of Pod time, v1 not once in 20 seconds: container app of Pod v2-a ended with exit code 1; " +
				"it may pass 10 minutes after the last restart", analysis.PodArm{Pods: 1, Ready: 1, Restarts: 1}},
		"a new Pod's restarts all count": {[]sight{well, {60, []analysis.Pod{pod("v1-a", 4), young(crashed("v2-z", 3, 50), 1)}}}, analysis.Fail,
			"v2 restarted 3 times in 59 seconds of Pod time, v1 not once in 60 seconds; up to 2 are let through beyond those of v1: " +
				"container app of Pod v2-z ended with exit code 1", analysis.PodArm{Pods: 1, Ready: 1, Restarts: 3}},
		"not ready for a moment": {[]sight{well, {60, []analysis.Pod{pod("v1-a", 4), unready("v2-a", 55)}}}, analysis.Pass, "",
			analysis.PodArm{Pods: 1}},
		"not ready": {[]sight{well, {60, []analysis.Pod{pod("v1-a", 4), unready("v2-a", 55), pod("v2-b", 0)}}, {91, []analysis.Pod{pod("v1-a", 4), unready("v2-a", 55), pod("v2-b", 0)}}},
			analysis.Inconclusive, "1 of 2 Pods of v2 has not been ready for 31 seconds: container app of Pod v2-a fails its readiness probe",
			analysis.PodArm{Pods: 2, Ready: 1}},
		"not ready since long before the first look": {[]sight{{0, []analysis.Pod{pod("v1-a", 0), unready("v2-a", -500), unready("v2-b", -40)}}}, analysis.Inconclusive,
			"2 of 2 Pods of v2 have not been ready for 9 minutes: container app of Pod v2-a fails its readiness probe", analysis.PodArm{Pods: 2}},
		"ready again":          {[]sight{{0, []analysis.Pod{pod("v1-a", 0), unready("v2-a", -500)}}, {1, []analysis.Pod{pod("v1-a", 0), pod("v2-a", 0)}}}, analysis.Pass, "", analysis.PodArm{Pods: 1, Ready: 1}},
		"stable is not ready":  {[]sight{{0, []analysis.Pod{unready("v1-a", -500), pod("v2-a", 0)}}}, analysis.Pass, "", analysis.PodArm{Pods: 1, Ready: 1}},
		"there is no canary":   {[]sight{well, {60, []analysis.Pod{pod("v1-a", 4)}}}, analysis.Inconclusive, "v2 has no Pod", analysis.PodArm{}},
		"the canary came back": {[]sight{{0, []analysis.Pod{pod("v1-a", 4)}}, {60, []analysis.Pod{pod("v1-a", 4), pod("v2-a", 0)}}}, analysis.Pass, "", analysis.PodArm{Pods: 1, Ready: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			a := watched(t, analysis.DefaultGate())
			for _, s := range test.sights {
				a.See(second(s.at), s.pods)
			}
			v := add(t, a, repeat(40, counts(900, 18, 900, 18))...)
			if v.Verdict != test.verdict {
				t.Errorf("verdict %s, want %s", v.Verdict, test.verdict)
			}
			if v.Pods == nil {
				if test.canary != (analysis.PodArm{}) {
					t.Fatal("the verdict says nothing of Pods")
				}
				return
			}
			got := analysis.PodsVerdict{Verdict: v.Pods.Verdict, Reason: v.Pods.Reason, Canary: v.Pods.Canary}
			got.Canary.Seconds = 0 // the reasons have them
			if diff := cmp.Diff(analysis.PodsVerdict{Verdict: test.verdict, Reason: test.reason, Canary: test.canary}, got); diff != "" {
				t.Errorf("Pods (-want +got):\n%s", diff)
			}
			if !strings.Contains(v.Summary, test.reason) {
				t.Errorf("the summary does not say why: %s", v.Summary)
			}
		})
	}
}

func watched(t *testing.T, g analysis.Gate) *analysis.Analysis {
	t.Helper()
	c := analysis.Default()
	c.Pods = &g
	a := start(t, c)
	a.WatchPods(second(0))
	return a
}

// What the Pods mean for the verdict is its first sentence.
func TestGateInWords(t *testing.T) {
	good := repeat(40, counts(900, 18, 900, 18))
	loop := []analysis.Pod{pod("v1-a", 0), young(crashed("v2-a", 3, 50), 1)}
	for name, test := range map[string]struct {
		prepare func(*analysis.Analysis)
		want    string
		causes  []string
	}{
		"fail": {func(a *analysis.Analysis) { a.See(second(60), loop) },
			"Pods: v2 restarted 3 times in 59 seconds of Pod time, v1 not once in 60 seconds; up to 2 are let through beyond those of v1: " +
				"container app of Pod v2-a ended with exit code 1. Evidence over 1,000,000:1 (20:1 needed) that v2 fails less than 1.5 times as often as v1: " +
				"720 of 36,000 requests against 720 of 36,000; ratio 1, between 0.83 and 1.2.", []string{analysis.Restarts}},
		"hold": {func(a *analysis.Analysis) { a.See(second(60), []analysis.Pod{pod("v1-a", 0), unready("v2-a", -500)}) },
			"Nothing passes now: 1 of 1 Pod of v2 has not been ready for 10 minutes: container app of Pod v2-a fails its readiness probe. " +
				"Evidence over 1,000,000:1 (20:1 needed) that v2 fails less than 1.5 times as often as v1: " +
				"720 of 36,000 requests against 720 of 36,000; ratio 1, between 0.83 and 1.2.", nil},
		"blind": {func(a *analysis.Analysis) { a.Blind("connection refused") },
			"Nothing passes now: the Pods cannot be seen: connection refused. " +
				"Evidence over 1,000,000:1 (20:1 needed) that v2 fails less than 1.5 times as often as v1: " +
				"720 of 36,000 requests against 720 of 36,000; ratio 1, between 0.83 and 1.2.", nil},
		"fail, and the source is silent": {func(a *analysis.Analysis) { a.See(second(60), loop); a.Hold("no answer") },
			"Nothing new is known: no answer. Pods: v2 restarted 3 times in 59 seconds of Pod time, v1 not once in 60 seconds; " +
				"up to 2 are let through beyond those of v1: container app of Pod v2-a ended with exit code 1. " +
				"Evidence over 1,000,000:1 (20:1 needed) that v2 fails less than 1.5 times as often as v1: " +
				"720 of 36,000 requests against 720 of 36,000; ratio 1, between 0.83 and 1.2.", []string{analysis.Restarts}},
	} {
		t.Run(name, func(t *testing.T) {
			a := watched(t, analysis.DefaultGate())
			test.prepare(a)
			v := add(t, a, good...)
			if diff := cmp.Diff(test.want, v.Summary); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.causes, v.Causes); diff != "" {
				t.Errorf("causes (-want +got):\n%s", diff)
			}
			if v.Outlook != nil {
				t.Errorf("outlook %+v", v.Outlook)
			}
		})
	}
}

func TestGateLetsThroughWhatItIsTold(t *testing.T) {
	once := []analysis.Pod{pod("v1-a", 0), young(crashed("v2-a", 1, 50), 1)}
	for most, want := range map[int]analysis.Outcome{0: analysis.Fail, 1: analysis.Pass, 2: analysis.Pass} {
		a := watched(t, analysis.Gate{MaxRestarts: most})
		a.See(second(60), once)
		if v := add(t, a, repeat(40, counts(900, 18, 900, 18))...); v.Verdict != want {
			t.Errorf("%d let through: %s, want %s", most, v.Verdict, want)
		}
	}
	for name, g := range map[string]analysis.Gate{"restarts": {MaxRestarts: -1}, "seconds": {Unready: -1}, "calm": {Calm: -1}} {
		c := analysis.Default()
		c.Pods = &g
		if err := c.Validate(); err == nil {
			t.Errorf("%s: %+v is valid", name, g)
		}
	}
}
