package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	apiwatch "k8s.io/apimachinery/pkg/watch"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/probe"
	"github.com/canaryctl/canaryctl/test/labtest"
)

// reaction is what became of one bad canary.
type reaction struct {
	back    time.Duration // from the first bad answer that a user saw, or of hanging from the first traffic, to the route at 100/0
	decided time.Duration // from the reading that completed the evidence to the same
	hurt    int           // requests that went wrong for their users
}

func (r reaction) String() string {
	return fmt.Sprintf("back %s after the first bad answer, %s after the reading; %d requests hurt",
		r.back.Round(time.Millisecond), r.decided.Round(time.Millisecond), r.hurt)
}

// planFile stays at 10% until the evidence decides.
const planFile = `apiVersion: canaryctl.io/v1alpha1
kind: Plan
spec:
  steps:
    - {weight: 10, min: 2m}
`

// react releases a bad canary and returns once it is rolled back.
func react(ctx context.Context, lab *labtest.Lab, namespace string, t trial, rate float64) (_ reaction, err error) {
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
	if t.kind.timeout != "" {
		patch := fmt.Sprintf(`[{"op":"add","path":"/spec/http/0/timeout","value":%q}]`, t.kind.timeout)
		if err := sh(ctx, lab, fmt.Sprintf("kubectl patch -n %s virtualservice versioned-echo-virtualservice --type=json -p '%s'", namespace, patch), 0); err != nil {
			return reaction{}, err
		}
	}
	seen, stop, err := watch(ctx, lab, namespace)
	if err != nil {
		return reaction{}, err
	}
	defer stop()
	users := probe.Default()
	users.Rate = rate
	if t.kind.users != nil {
		t.kind.users(&users)
	}
	traffic := lab.SendAs(ctx, "versioned-echo."+namespace, users)
	defer func() { _, _ = traffic.Stop() }()
	faults := "--set-env " + strings.ReplaceAll(fmt.Sprintf(t.kind.fault, t.share), ",", " --set-env ")
	const rolledBack = 3
	if err := sh(ctx, lab, fmt.Sprintf("canaryctl release --image versioned-echo:v3 %s -f %s --record %s --metrics-source %s -n %s",
		faults, plan, record, t.source, namespace), rolledBack); err != nil {
		return reaction{}, err
	}
	first := traffic.FirstBad()
	if _, err := traffic.Stop(); err != nil {
		return reaction{}, err
	}
	on, back, err := seen.given()
	for begun := time.Now(); err != nil && time.Since(begun) < 5*time.Second; on, back, err = seen.given() {
		time.Sleep(50 * time.Millisecond) // the watch tells of the last write
	}
	if err != nil {
		return reaction{}, err
	}
	if t.kind.silent {
		first = on
	}
	counted, err := lastReading(record)
	return reaction{back: back.Sub(first), decided: back.Sub(counted), hurt: traffic.Bad()}, err
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

// given is when the route first gave the canary traffic, and when none any more.
func (s *sights) given() (on, off time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sight := range s.all {
		switch weight := sight.Weight("v3"); {
		case on.IsZero() && weight > 0:
			on = sight.At
		case !on.IsZero() && weight == 0:
			return on, sight.At, nil
		}
	}
	return on, off, fmt.Errorf("the watch did not see the traffic given back: %+v", s.all)
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
