package adopt_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/adopt"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// journal is what a Runner did, in order.
type journal struct {
	clock.RealClock
	lines   []string
	unready error
	bare    error
}

func (j *journal) add(format string, args ...any) {
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) After(d time.Duration) <-chan time.Time {
	j.add("wait %s", d)
	c := make(chan time.Time, 1)
	c <- time.Time{}
	return c
}

func (j *journal) Survey(context.Context, traffic.Query) (traffic.Survey, error) {
	return traffic.Survey{}, nil
}

func (j *journal) Define(_ context.Context, _ traffic.Survey, version string, _ map[string]string, _ traffic.Write) (traffic.Object, error) {
	j.add("define %s", version)
	return traffic.Object{}, nil
}

func (j *journal) Name(_ context.Context, _ traffic.Survey, sender, version string, _ traffic.Write) (traffic.Object, error) {
	j.add("name %s in %s", version, sender)
	return traffic.Object{}, nil
}

func (j *journal) Unname(_ context.Context, _ traffic.Survey, sender string, _ traffic.Write) (traffic.Object, error) {
	j.add("unname %s", sender)
	return traffic.Object{}, nil
}

func (j *journal) Undefine(_ context.Context, _ traffic.Survey, definition string, _ traffic.Write) (traffic.Object, error) {
	j.add("undefine %s", definition)
	return traffic.Object{}, nil
}

func (j *journal) Label(_ context.Context, name, _, version string, _ map[string]string, _ workload.Options) (*unstructured.Unstructured, error) {
	j.add("label %s %s", name, version)
	return &unstructured.Unstructured{}, nil
}

func (j *journal) Unlabel(_ context.Context, name, _ string, _ workload.Options) (*unstructured.Unstructured, error) {
	j.add("unlabel %s", name)
	return &unstructured.Unstructured{}, nil
}

func (j *journal) Bear(context.Context, string, map[string]string) error { return j.bare }

func (j *journal) WaitReady(_ context.Context, name string, _ time.Duration, _ func(workload.Progress)) error {
	j.add("wait for the Pods of %s", name)
	return j.unready
}

func (j *journal) run(t *testing.T, p adopt.Plan, dry traffic.DryRun) error {
	t.Helper()
	_, err := adopt.Runner{Router: j, Pods: j, Clock: j, Settle: 2 * time.Second,
		Write: func() traffic.Write { return traffic.Write{DryRun: dry} }, Tell: func(string, ...any) {}}.Run(t.Context(), p, traffic.Survey{})
	return err
}

// Every write is in effect before another that needs it.
func TestRunInOrder(t *testing.T) {
	bring := func(edit func(*adopt.Situation)) adopt.Plan {
		s := plain()
		s.Version = "v1"
		edit(&s)
		p, err := adopt.Bring(s)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	back, err := adopt.Back(adopted())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		plan adopt.Plan
		dry  traffic.DryRun
		want []string
	}{
		{"all", bring(func(*adopt.Situation) {}), traffic.DryRunNone, []string{
			"label shop v1", "wait for the Pods of shop", "wait 2s", "define v1", "wait 2s", "name v1 in shop", "wait 2s"}},
		{"after an attempt that was cut short", bring(func(s *adopt.Situation) {
			s.Deployments = adopted().Deployments
		}), traffic.DryRunNone, []string{
			"wait 2s", "wait for the Pods of shop", "define v1", "wait 2s", "name v1 in shop", "wait 2s"}},
		{"back", back, traffic.DryRunNone, []string{
			"unname shop", "wait 2s", "undefine shop", "wait 2s", "unlabel shop", "wait for the Pods of shop", "wait 2s"}},
		{"dry", back, traffic.DryRunServer, []string{"unname shop", "undefine shop", "unlabel shop"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var j journal
			if err := j.run(t, test.plan, test.dry); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, j.lines); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Nothing names Pods that do not become ready.
func TestRunStopsAtPodsThatAreNotReady(t *testing.T) {
	p, err := adopt.Bring(plain())
	if err != nil {
		t.Fatal(err)
	}
	j := journal{unready: workload.ErrNotReady}
	if err := j.run(t, p, traffic.DryRunNone); !errors.Is(err, workload.ErrNotReady) {
		t.Errorf("error %v, want %v", err, workload.ErrNotReady)
	}
	if diff := cmp.Diff([]string{"label shop 1-4-2", "wait for the Pods of shop"}, j.lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Nothing names Pods of which somebody took the labels back meanwhile.
func TestRunStopsAtPodsWithoutLabels(t *testing.T) {
	p, err := adopt.Bring(plain())
	if err != nil {
		t.Fatal(err)
	}
	j := journal{bare: workload.ErrNotSelected}
	if err := j.run(t, p, traffic.DryRunNone); !errors.Is(err, workload.ErrNotSelected) {
		t.Errorf("error %v, want %v", err, workload.ErrNotSelected)
	}
	if diff := cmp.Diff([]string{"label shop 1-4-2", "wait for the Pods of shop", "wait 2s"}, j.lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
