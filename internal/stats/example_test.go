package stats_test

import (
	"fmt"
	"math"
	"time"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// Four scrapes while the weight grows from 5% to 50%. The evidence carries over.
func Example() {
	config := stats.Default()
	ledger := new(stats.Ledger)
	rollback, err := stats.NewRollback(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, c := range []stats.Counts{
		{StableTotal: 950, StableBad: 1, CanaryTotal: 50, CanaryBad: 0},
		{StableTotal: 900, StableBad: 1, CanaryTotal: 100, CanaryBad: 2},
		{StableTotal: 750, StableBad: 2, CanaryTotal: 250, CanaryBad: 4},
		{StableTotal: 500, StableBad: 1, CanaryTotal: 500, CanaryBad: 9},
	} {
		scrape := stats.Scrape{At: time.Unix(int64(15*i), 0), Strata: []stats.Counts{c}}
		if err := ledger.Append(scrape); err != nil {
			fmt.Println(err)
			return
		}
		if err := rollback.Update(scrape); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%.1f:1 that the canary is worse\n", math.Exp(rollback.LogE()))
	}
	ratio, _ := stats.RatioEstimate(ledger)
	bounds, err := stats.RatioBounds(ledger, config)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("it fails %.1f times as often, between %.1f and %.0f\n", ratio, bounds.Low, bounds.High)
	fmt.Println("roll back:", rollback.LogE() >= stats.Threshold(config.RollbackAlpha))
	// Output:
	// 0.8:1 that the canary is worse
	// 2.9:1 that the canary is worse
	// 14.0:1 that the canary is worse
	// 128.1:1 that the canary is worse
	// it fails 8.1 times as often, between 1.5 and 83
	// roll back: true
}

// Promotion asks for evidence that the canary is not much worse, or that its
// errors are too few to matter.
func ExampleNonInferiority() {
	config := stats.Default()
	config.Negligible = 0.005
	ratio, err := stats.NewNonInferiority(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	level, err := stats.NewNegligible(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	clean := stats.Scrape{Strata: []stats.Counts{{StableTotal: 675, CanaryTotal: 75}}}
	for scrapes := 1; ; scrapes++ {
		if err := ratio.Update(clean); err != nil {
			fmt.Println(err)
			return
		}
		if err := level.Update(clean); err != nil {
			fmt.Println(err)
			return
		}
		mean, err := stats.LogAverage([]float64{0.5, 0.5}, []float64{ratio.LogE(), level.LogE()})
		if err != nil {
			fmt.Println(err)
			return
		}
		if mean >= stats.Threshold(config.PromoteAlpha) {
			fmt.Printf("promote after %d scrapes without an error\n", scrapes)
			return
		}
	}
	// Output: promote after 14 scrapes without an error
}

// How long a step of 10% must last, and what a shorter one can find.
func ExamplePlan() {
	traffic := stats.Traffic{RPS: 50, Weight: 0.1}
	plan := stats.Plan{StableRate: 0.01, CanaryRate: 0.02, Weight: traffic.Weight, Alpha: 0.01}
	requests, err := plan.Requests(0.8)
	if err != nil {
		fmt.Println(err)
		return
	}
	lasts, err := traffic.Time(requests)
	if err != nil {
		fmt.Println(err)
		return
	}
	rate, err := plan.Detectable(traffic.Requests(3*time.Minute), 0.8)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("1%% -> 2%%: %.0f requests, %s\n", requests, lasts.Round(time.Second))
	fmt.Printf("in 3 minutes: 1%% -> %.1f%%\n", 100*rate)
	// Output:
	// 1% -> 2%: 2728 requests, 9m6s
	// in 3 minutes: 1% -> 2.9%
}

// A restart does not lose evidence.
func ExampleRollback_MarshalText() {
	before, err := stats.NewRollback(stats.Default())
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := before.Update(stats.Scrape{Strata: []stats.Counts{{StableTotal: 900, CanaryTotal: 100, CanaryBad: 2}}}); err != nil {
		fmt.Println(err)
		return
	}
	text, err := before.MarshalText()
	if err != nil {
		fmt.Println(err)
		return
	}
	var after stats.Rollback
	if err := after.UnmarshalText(text); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(after.LogE() == before.LogE())
	// Output: true
}

// Of eight releases, those that went wrong: on average at most 5% of a list are
// false. Alone an e-value of 41 would not do; in company of three larger it does.
func ExampleEBH() {
	odds := []float64{2, 900, 0.1, 45, 60, 0.5, 1.1, 41}
	logE := make([]float64, len(odds))
	for i, e := range odds {
		logE[i] = math.Log(e)
	}
	bad, err := stats.EBH(logE, 0.05)
	fmt.Println(bad, err)
	// Output: [1 3 4 7] <nil>
}
