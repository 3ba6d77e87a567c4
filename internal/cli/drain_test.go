package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/source"
)

// It waits until nothing is open, for a while, and no longer than it was told to.
func TestDrain(t *testing.T) {
	const pods, server = "its Pods", "Prometheus"
	seen := func(n uint64, where string) source.Open {
		return source.Open{Requests: n, Where: where, Live: where == pods}
	}
	until := func(seconds int, where string) func(int) source.Open {
		return func(at int) source.Open { return seen(uint64(max(0, seconds-at)), where) }
	}
	for _, test := range []struct {
		name  string
		open  func(second int) source.Open
		took  int
		left  source.Open
		notes []string
	}{
		{"its Pods end what they have", until(30, pods), 32, seen(0, pods), []string{
			"30 requests are open on v2 (its Pods); waiting for at most 1m40s more", "20 requests are open on v2 (its Pods); waiting for at most 1m30s more",
			"10 requests are open on v2 (its Pods); waiting for at most 1m20s more", "nothing is open on v2 (its Pods); looking again whether that stays so",
			"nothing is open on v2 any more (its Pods)"}},
		{"a Prometheus tells of what was when it scraped", until(0, server), 30, seen(0, server), []string{
			"nothing is open on v2 (Prometheus); looking again whether that stays so", "nothing is open on v2 (Prometheus); looking again whether that stays so",
			"nothing is open on v2 (Prometheus); looking again whether that stays so", "nothing is open on v2 any more (Prometheus)"}},
		{"streams do not end", func(int) source.Open { return seen(1, pods) }, 100, seen(1, pods), nil},
		{"it comes again", func(at int) source.Open { return seen(uint64(at%2), pods) }, 100, seen(0, pods), nil},
		{"nothing tells", func(int) source.Open { return source.Open{} }, 100, source.Open{}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var notes []string
				d := drain{version: "v2", most: 100 * time.Second, clock: clock.RealClock{},
					look: func(context.Context) source.Open { return test.open(int(time.Since(began).Seconds())) },
					note: func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }}
				left, err := d.wait(t.Context())
				if err != nil || left != test.left || int(time.Since(began).Seconds()) != test.took {
					t.Errorf("%+v after %s, %v: want %+v after %d s", left, time.Since(began), err, test.left, test.took)
				}
				if test.notes == nil {
					test.notes = notes[:min(len(notes), 11)] // one in ten seconds, and no more
				}
				if diff := cmp.Diff(test.notes, notes); diff != "" {
					t.Errorf("notes (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Who interrupts it keeps the version.
func TestDrainIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var notes []string
		d := drain{version: "v2", most: time.Hour, clock: clock.RealClock{},
			look: func(context.Context) source.Open { return source.Open{Requests: 1, Where: "x"} },
			note: func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }}
		if _, err := d.wait(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(notes[len(notes)-1], "v2 is kept") {
			t.Errorf("%v, %q", err, notes)
		}
	})
}
