package analysis_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// each is the n-th interval of one second.
func each(n int, metric string, c stats.Counts) metrics.Interval {
	return metrics.Interval{Metric: metric, Start: second(n), End: second(n + 1), Strata: []stats.Counts{c}}
}

// quick says that stable answers within 50 ms.
func quick() []metrics.Interval { return took(10_000, map[float64]uint64{0.05: 100, 1: 0}) }

// sent is an analysis of a stable version that was quick, and a canary with a
// tenth of the traffic from second 0 on.
func sent(t *testing.T, before []metrics.Interval) *analysis.Analysis {
	t.Helper()
	a := start(t, analysis.Default())
	a.Learn(before)
	expect(t, a, analysis.Expectation{Share: 0.1, From: second(0)})
	return a
}

func expect(t *testing.T, a *analysis.Analysis, e analysis.Expectation) {
	t.Helper()
	if err := a.Expect(e); err != nil {
		t.Fatal(err)
	}
}

// feed adds an interval, and wants no words.
func feed(t *testing.T, a *analysis.Analysis, i metrics.Interval) {
	t.Helper()
	if err := a.Add(i); err != nil {
		t.Fatal(err)
	}
}

// hangs feeds seconds of a canary that answers nothing, until it has failed, and
// returns how many that took.
func hangs(t *testing.T, a *analysis.Analysis, from, most int) int {
	t.Helper()
	for n := range most {
		feed(t, a, each(from+n, analysis.Errors, counts(90, 0, 0, 0)))
		if a.Outcome() == analysis.Fail {
			return n + 1
		}
	}
	return most + 1
}

func TestHangFromTheStart(t *testing.T) {
	a := sent(t, quick())
	if took := hangs(t, a, 0, 10); took > 5 {
		t.Errorf("found after %d s", took)
	}
	v := add(t, a)
	want := "Evidence 1,100:1 (400:1 needed) that v2 leaves requests unanswered, since it hangs or cannot be reached: " +
		"0 of about 32 that it was sent in 4 seconds were answered, and v1 answered 360."
	if diff := cmp.Diff(want, v.Summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{analysis.Unanswered}, v.Causes); diff != "" {
		t.Errorf("causes (-want +got):\n%s", diff)
	}
}

// lively feeds seconds in which the canary has a share of the answers.
func lively(t *testing.T, a *analysis.Analysis, from, seconds int, share float64) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(from), uint64(seconds)))
	for n := range seconds {
		var canary uint64
		for range 100 {
			if r.Float64() < share {
				canary++
			}
		}
		feed(t, a, each(from+n, analysis.Errors, counts(100-canary, 1, canary, 0)))
		if a.Outcome() == analysis.Fail {
			t.Fatalf("failed after %d s: %s", n, must(t, a).Summary)
		}
	}
}

func TestHangThatBeginsLate(t *testing.T) {
	a := sent(t, quick())
	lively(t, a, 0, 900, 0.1)
	if took := hangs(t, a, 900, 20); took > 6 {
		t.Errorf("found after %d s", took)
	}
}

func TestHangAtALaterWeight(t *testing.T) {
	a := sent(t, quick())
	lively(t, a, 0, 60, 0.1)
	expect(t, a, analysis.Expectation{Share: 0.25, From: second(60)})
	if took := hangs(t, a, 60, 20); took > 6 {
		t.Errorf("found after %d s", took)
	}
}

// Half of the requests may reach stable by other ways; what the canary had once, be it
// less than that, is what is asked of it from then on.
func TestRequestsThatAreNotSplit(t *testing.T) {
	for share, most := range map[float64]int{0.05: 9, 0.025: 16} {
		a := sent(t, quick())
		lively(t, a, 0, 600, share)
		if took := hangs(t, a, 600, 40); took > most {
			t.Errorf("a canary with a share of %v: found after %d s", share, took)
		}
	}
}

// A route that is known to have rules without the weight may give the canary a seventh
// of it from the first; that it answers nobody is found all the same.
func TestRequestsByOtherRules(t *testing.T) {
	known := func() *analysis.Analysis {
		a := sent(t, quick())
		expect(t, a, analysis.Expectation{Share: 0.1, Unsplit: true})
		return a
	}
	lively(t, known(), 0, 600, 0.015)
	if took := hangs(t, known(), 0, 40); took > 16 {
		t.Errorf("found after %d s", took)
	}
}

// Where most of stable's answers take 3 s, the canary's come after 3 s too.
func TestAnswersThatTakeLong(t *testing.T) {
	a := sent(t, took(10_000, map[float64]uint64{1: 10_000, 2.5: 9_000, 5: 0}))
	for n := range 5 {
		add(t, a, each(n, analysis.Errors, counts(90, 0, 0, 0)))
	}
	if a.Outcome() == analysis.Fail {
		t.Fatal(must(t, a).Summary)
	}
	lively(t, a, 5, 60, 0.1)

	hanging := sent(t, took(10_000, map[float64]uint64{1: 10_000, 2.5: 9_000, 5: 0}))
	if took := hangs(t, hanging, 0, 20); took > 11 {
		t.Errorf("found after %d s", took)
	}
	unknown := sent(t, nil)
	if took := hangs(t, unknown, 0, 20); took < 12 || took > 16 {
		t.Errorf("found after %d s where nobody knows how long answers take", took)
	}
}

// Whoever leaves unanswered requests out is warned of a share that is too small.
func TestUnansweredLeftOut(t *testing.T) {
	c := analysis.Default()
	c.Metrics = c.Metrics[:1]
	c.Metrics[0].Weight = 1
	a := start(t, c)
	a.Learn(quick())
	expect(t, a, analysis.Expectation{Share: 0.1, From: second(0)})
	for n := range 30 {
		feed(t, a, each(n, analysis.Errors, counts(90, 1, 0, 0)))
	}
	want := "No request of v2 was counted yet, and 2,700 of v1. The route is to give the canary 10% of the requests, and it got 0%."
	if v := must(t, a); v.Verdict != analysis.Inconclusive || v.Summary != want {
		t.Errorf("%s: %s", v.Verdict, v.Summary)
	}
}

func TestShareThatSaysNothing(t *testing.T) {
	for name, say := range map[string]func(a *analysis.Analysis) error{
		"the route has rules that are not split": func(a *analysis.Analysis) error {
			return a.Expect(analysis.Expectation{Share: 0.1, From: second(0), Loose: "rule static is not split"})
		},
		"nobody read the canary": nil,
	} {
		a := sent(t, quick())
		if say != nil {
			if err := say(a); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 30 {
			i := each(n, analysis.Errors, counts(90, 1, 0, 0))
			if say == nil {
				i.Unread = []string{"v2"}
			}
			add(t, a, i)
		}
		if v := must(t, a); v.Verdict != analysis.Inconclusive {
			t.Errorf("%s: %s: %s", name, v.Verdict, v.Summary)
		}
	}
}

// ends feeds one second of answers and of requests that users gave up.
func ends(t *testing.T, a *analysis.Analysis, n int, answered, all stats.Counts) analysis.Verdict {
	t.Helper()
	return add(t, a, each(n, analysis.Errors, answered), each(n, analysis.GivenUp, all))
}

// A canary that nobody waits for has answered nothing: it fails by that, and not by its
// share, since its requests ended.
func TestGivenUpRequests(t *testing.T) {
	a := sent(t, quick())
	var v analysis.Verdict
	for n := range 6 {
		if v = ends(t, a, n, counts(90, 0, 0, 0), counts(90, 0, 10, 10)); v.Verdict == analysis.Fail {
			break
		}
	}
	want := "Evidence 400:1 (400:1 needed) that v2 is given up on more than 1.1 times as often as v1: " +
		"30 of 30 requests against 0 of 270; ratio at least 49."
	if v.Verdict != analysis.Fail || !slices.Equal(v.Causes, []string{analysis.GivenUp}) {
		t.Fatalf("%s because of %q: %s", v.Verdict, v.Causes, v.Summary)
	}
	if diff := cmp.Diff(want, v.Summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

// Where nobody tells of given-up requests they stand in nobody's way. Where somebody
// does, a pass takes evidence that they are few, or not more than stable's.
func TestGivenUpRequestsAndAPass(t *testing.T) {
	for name, test := range map[string]struct {
		all     stats.Counts
		metrics []string
		verdict analysis.Outcome
	}{
		"nobody gives up":      {counts(900, 0, 900, 0), []string{"errors", "given-up"}, analysis.Pass},
		"as often as stable's": {counts(918, 18, 918, 18), []string{"errors", "given-up"}, analysis.Pass},
		"a little more often":  {counts(918, 18, 924, 24), []string{"errors", "given-up"}, analysis.Inconclusive},
	} {
		a := sent(t, quick())
		expect(t, a, analysis.Expectation{Share: 0.5, From: second(0)})
		var v analysis.Verdict
		for n := range 40 {
			v = ends(t, a, n, counts(900, 18, 900, 18), test.all)
		}
		var names []string
		for _, m := range v.Metrics {
			names = append(names, m.Name)
		}
		if v.Verdict != test.verdict || !slices.Equal(names, test.metrics) {
			t.Errorf("%s: %s by %v: %s", name, v.Verdict, names, v.Summary)
		}
	}
}

// All that ended are taken from where they are told, once: of a source that begins to
// tell of given-up requests, or does not any more, nothing is lost and nothing counted
// twice.
func TestWhatEndedIsCountedOnce(t *testing.T) {
	a := sent(t, quick())
	for n := range 60 {
		feed(t, a, each(n, analysis.Errors, counts(90, 0, 10, 0)))
		if n >= 20 && n < 40 {
			feed(t, a, each(n, analysis.GivenUp, counts(90, 0, 20, 10)))
		}
	}
	// from second 3 on: a tenth of the answers of 37 s, and 20 of 110 that ended in each of 19 s
	if v := must(t, a).Traffic; math.Abs(float64(v.Observed)-(37*10+19*20)/(37*100+19*110.)) > 1e-9 {
		t.Errorf("a share of %v", v.Observed)
	}
	if took := hangs(t, a, 60, 10); took > 6 {
		t.Errorf("found after %d s", took)
	}
}

// Requests that stay open are compared as failures are, where something counts them.
func TestRequestsThatStayOpen(t *testing.T) {
	a := start(t, analysis.Default())
	var v analysis.Verdict
	for n := range 10 {
		v = add(t, a, each(n, analysis.Errors, counts(900, 0, 80, 0)), each(n, analysis.Unanswered, counts(900, 0, 100, 20)))
		if v.Verdict == analysis.Fail {
			break
		}
	}
	want := "Evidence 1,500:1 (400:1 needed) that v2 leaves requests unanswered more than 1.1 times as often as v1: " +
		"80 of 400 requests against 0 of 3,600; ratio at least 140."
	if diff := cmp.Diff(want, v.Summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

// Slow answers that come are no harm: the deficit was a delay.
func TestCanaryThatIsOnlySlow(t *testing.T) {
	a := sent(t, quick())
	for n := range 60 {
		canary := uint64(0)
		if n >= 4 { // every answer takes 3 s, and the router followed after one
			canary = 10
		}
		add(t, a, each(n, analysis.Errors, counts(90, 1, canary, 0)))
	}
	expect(t, a, analysis.Expectation{Share: 0.5, From: second(60)})
	for n := range 60 {
		canary := uint64(10)
		if n >= 4 {
			canary = 50
		}
		add(t, a, each(60+n, analysis.Errors, counts(50, 1, canary, 0)))
	}
	if v := must(t, a); v.Verdict == analysis.Fail {
		t.Error(v.Summary)
	}
}

// A source whose clock goes before ours says nothing sooner for that.
func TestExpectationByTheSourcesClock(t *testing.T) {
	a := start(t, analysis.Default())
	a.Learn(quick())
	for n := range 60 {
		feed(t, a, each(n, analysis.Errors, counts(100, 1, 0, 0)))
	}
	expect(t, a, analysis.Expectation{Share: 0.1, From: second(30)})
	for n := range 4 {
		feed(t, a, each(60+n, analysis.Errors, counts(90, 0, 0, 0)))
	}
	if a.Outcome() == analysis.Fail {
		t.Errorf("4 s after the weight was written: %s", must(t, a).Summary)
	}
}

// A weight that is said again is no new one.
func TestExpectationIsOfTheFirstTime(t *testing.T) {
	a := sent(t, quick())
	for n := range 10 {
		expect(t, a, analysis.Expectation{Share: 0.1, From: second(n).Add(time.Second)})
		add(t, a, each(n, analysis.Errors, counts(90, 0, 0, 0)))
	}
	if a.Outcome() != analysis.Fail {
		t.Error("a weight that is said again begins anew")
	}
}
