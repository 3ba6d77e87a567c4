package cli

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/source"
)

// A place that is slow costs its row, after a while, and no other.
func TestListingWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		profiles := []metrics.Profile{{Name: "app"}}
		found := []metrics.Found{{Metric: metrics.MetricErrors, Name: "x_total", Used: true, Versions: []metrics.FoundVersion{
			{Version: "v1", Series: 2, Pods: 1, Age: 1500 * time.Millisecond}, {Version: "v2"}}}}
		begin := time.Now()
		l := listing{App: "cart", Stable: "v1", Canary: "v2"}
		l.Sources = surveyAll(t.Context(), []source.Place{
			{Name: "slow", Profiles: profiles, Survey: func(ctx context.Context) ([][]metrics.Found, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}},
			{Name: "partial", Profiles: profiles, Survey: func(context.Context) ([][]metrics.Found, error) {
				return [][]metrics.Found{found}, errors.New("1 of 2 Pods did not answer")
			}},
			{Name: "second", Profiles: profiles, Survey: func(context.Context) ([][]metrics.Found, error) {
				return [][]metrics.Found{found}, nil
			}},
		})
		l.choose()
		if spent := time.Since(begin); spent != listPatience {
			t.Errorf("it took %s", spent)
		}
		want := strings.Join([]string{
			"SOURCE   PROFILE  METRIC  NAME       STABLE v1                  CANARY v2",
			"partial  app      errors  x_total *  2 series of 1 Pod, 2s old  no series",
			"second   app      errors  x_total    2 series of 1 Pod, 2s old  no series",
			"",
			"slow: no answer within 10s",
			"partial: 1 of 2 Pods did not answer",
			"analyze reads x_total: of the sources and profiles in this order, partial with profile app is the first that has a series of cart;" +
				" v2 has no x_total yet, there is no metric of latency.",
			"",
		}, "\n")
		if diff := cmp.Diff(want, l.text(false)); diff != "" {
			t.Errorf("table (-want +got):\n%s", diff)
		}
	})
}

// counts are those of an application that knows of no broken body.
type counts struct{}

func (counts) Next(context.Context) ([]metrics.Interval, error) { return nil, nil }

// What the chosen source cannot see is said once, however often it is opened.
func TestNoting(t *testing.T) {
	var said bool
	var to strings.Builder
	for range 2 {
		first, err := source.NewFirst([]source.Place{{
			Name: "Pods", Profiles: []metrics.Profile{{Name: "app", Unseen: []string{"broken bodies"}}},
			Watch: func(metrics.Profile) (metrics.Stream, error) { return counts{}, nil },
		}}, clock.RealClock{})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := (noting{first, &to, &said}).Next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if want := "note: Profile app does not count broken bodies\n"; to.String() != want {
		t.Errorf("%q, want %q", to.String(), want)
	}
}
