package probe

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
)

var (
	errSick   = errors.New("sick")
	errAbsent = fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
)

// probeAll runs a prober over the answers, in time that passes by itself, and
// returns the result after each answer: what it is when the next one is asked for.
func probeAll(t *testing.T, spec corev1.Probe, answers []error) (results []Result, failed int, elapsed time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		start, next := time.Now(), 0
		p := &Prober{
			Spec: &spec, Clock: clock.RealClock{},
			Failed:  func(error) { failed++ },
			Changed: func() {},
		}
		p.Check = func(context.Context) error {
			if next > 0 {
				results = append(results, p.Result())
			}
			if next == len(answers) {
				cancel()
				return nil
			}
			next++
			return answers[next-1]
		}
		p.Run(ctx)
		elapsed = time.Since(start)
	})
	return results, failed, elapsed
}

func TestThresholds(t *testing.T) {
	for _, tt := range []struct {
		name    string
		spec    corev1.Probe
		answers []error
		want    []Result
		failed  int
	}{
		{
			name: "one success is enough, three failures are too many", spec: corev1.Probe{PeriodSeconds: 1},
			answers: []error{nil, errSick, errSick, errSick, nil},
			want:    []Result{Success, Success, Success, Failure, Success}, failed: 3,
		},
		{
			name: "a success between failures begins the count anew", spec: corev1.Probe{PeriodSeconds: 1, FailureThreshold: 2},
			answers: []error{nil, errSick, nil, errSick, errSick},
			want:    []Result{Success, Success, Success, Success, Failure}, failed: 3,
		},
		{
			name: "two successes wanted", spec: corev1.Probe{PeriodSeconds: 1, SuccessThreshold: 2, FailureThreshold: 1},
			answers: []error{nil, errSick, nil, nil},
			want:    []Result{Unknown, Failure, Failure, Success}, failed: 1,
		},
		{
			name: "a process that is not up yet has not failed", spec: corev1.Probe{PeriodSeconds: 10},
			answers: []error{errAbsent, errAbsent, nil},
			want:    []Result{Unknown, Unknown, Success},
		},
		{
			name: "but later it has", spec: corev1.Probe{PeriodSeconds: 10, FailureThreshold: 1},
			answers: []error{nil, errAbsent},
			want:    []Result{Success, Failure}, failed: 1,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, failed, _ := probeAll(t, tt.spec, tt.answers)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
			if failed != tt.failed {
				t.Errorf("%d failures told, want %d", failed, tt.failed)
			}
		})
	}
}

func TestDelays(t *testing.T) {
	_, _, elapsed := probeAll(t, corev1.Probe{InitialDelaySeconds: 5, PeriodSeconds: 3}, []error{nil, nil})
	if want := 11 * time.Second; elapsed != want { // 5 + 3, and 3 more to the question that ends the test
		t.Errorf("two answers took %s, want %s", elapsed, want)
	}
}
