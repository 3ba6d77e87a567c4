package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	apiwatch "k8s.io/apimachinery/pkg/watch"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/test/labtest"
)

// reaction is what became of one bad canary.
type reaction struct {
	back    time.Duration // from the first bad answer that a user saw to the route at 100/0
	decided time.Duration // from the reading that completed the evidence to the same
	hurt    int           // bad answers in all
	asked   int           // requests that the canary answered
}

func (r reaction) String() string {
	return fmt.Sprintf("back %s after the first bad answer, %s after the reading; %d of %d requests hurt",
		r.back.Round(time.Millisecond), r.decided.Round(time.Millisecond), r.hurt, r.asked)
}

// planFile stays at 10% until the evidence decides.
const planFile = `apiVersion: canaryctl.io/v1alpha1
kind: Plan
spec:
  steps:
    - {weight: 10, min: 2m}
`

// react releases a bad canary and returns once it is rolled back.
func react(ctx context.Context, lab *labtest.Lab, namespace, source string, rate float64) (_ reaction, err error) {
	dir, err := os.MkdirTemp("", "reaction")
	if err != nil {
		return reaction{}, err
	}
	defer os.RemoveAll(dir)
	plan, record := filepath.Join(dir, "plan.yaml"), filepath.Join(dir, "record.jsonl")
	if err := os.WriteFile(plan, []byte(planFile), 0o644); err != nil {
		return reaction{}, err
	}
	if err := sh(ctx, lab, fmt.Sprintf("kubectl create namespace %[1]s && kubectl label namespace %[1]s istio-injection=enabled && "+
		"kubectl apply -n %[1]s -f k8s/base && kubectl rollout status -n %[1]s deploy/versioned-echo-v1 --timeout=90s", namespace), 0); err != nil {
		return reaction{}, err
	}
	defer func() {
		err = errors.Join(err, sh(context.WithoutCancel(ctx), lab, "kubectl delete namespace "+namespace, 0))
	}()
	seen, stop, err := watch(ctx, lab, namespace)
	if err != nil {
		return reaction{}, err
	}
	defer stop()
	traffic := lab.Send(ctx, "versioned-echo."+namespace, rate)
	defer func() { _, _ = traffic.Stop() }()
	const rolledBack = 3
	if err := sh(ctx, lab, fmt.Sprintf("canaryctl release --image versioned-echo:v3 --set-env FAULT_ERROR_SHARE=0.2 -f %s --record %s --metrics-source %s -n %s",
		plan, record, source, namespace), rolledBack); err != nil {
		return reaction{}, err
	}
	r := reaction{}
	load, err := traffic.Stop()
	if err != nil {
		return r, err
	}
	for _, v := range load.Current().Versions {
		if v.Name == "v3" {
			r.hurt, r.asked = v.Errors, v.Requests
		}
	}
	back, err := seen.back()
	for begun := time.Now(); err != nil && time.Since(begun) < 5*time.Second; back, err = seen.back() {
		time.Sleep(50 * time.Millisecond) // the watch tells of the last write
	}
	if err != nil {
		return r, err
	}
	counted, err := lastReading(record)
	r.back, r.decided = back.Sub(traffic.FirstBad()), back.Sub(counted)
	return r, err
}

// sights are the versions of the route.
type sights struct {
	mu  sync.Mutex
	all []labtest.Sight
}

func watch(ctx context.Context, lab *labtest.Lab, namespace string) (*sights, func(), error) {
	client, err := lab.Client()
	if err != nil {
		return nil, nil, err
	}
	s := new(sights)
	stop, err := labtest.Follow(ctx, client.Resource(labtest.VirtualServices()).Namespace(namespace), func(_ apiwatch.EventType, u *unstructured.Unstructured) {
		if sight, err := labtest.ReadRoute(u); err == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.all = append(s.all, sight)
		}
	})
	return s, stop, err
}

// back is when the route gave the canary nothing any more.
func (s *sights) back() (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	on := false
	for _, sight := range s.all {
		weight := sight.Weight("v3")
		if on && weight == 0 {
			return sight.At, nil
		}
		on = on || weight > 0
	}
	return time.Time{}, fmt.Errorf("the watch did not see the traffic given back: %+v", s.all)
}

// lastReading is when the reading was taken on which the evidence was complete.
func lastReading(record string) (time.Time, error) {
	file, err := os.Open(record)
	if err != nil {
		return time.Time{}, err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var e event.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return time.Time{}, fmt.Errorf("read the record: %w", err)
		}
		if e.Known != nil && e.Known.Verdict == canary.Fail {
			return e.Known.Counted, nil
		}
	}
	return time.Time{}, errors.New("no event of the record has the verdict fail")
}

// sh runs a line that must end with a status.
func sh(ctx context.Context, lab *labtest.Lab, line string, want int) error {
	r, err := lab.Sh(ctx, line)
	if err == nil && r.Code != want {
		err = errors.New(r.String())
	}
	return err
}
