package release_test

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a route, two versions and their counts, all of them in memory. Requests
// come at a steady rate, by the weights of the route. Its time is that of a bubble of
// synctest, which goes on when everybody waits.
type world struct {
	mu       sync.Mutex
	route    traffic.Route
	watchers map[int]func()
	next     int
	writes   []traffic.Change
	fault    func() error // of the next write
	versions map[string]workload.Deployed
	ready    map[string]int
	bad      map[string]float64 // share of bad requests
	hangs    bool               // the canary answers none
	rate     float64
	silent   error
	seen     []canary.Weights // every pair that the route ever had
}

const (
	stable = "v1"
	onTest = "v2"
)

func newWorld(plan canary.Plan) *world {
	w := &world{
		watchers: map[int]func(){},
		versions: map[string]workload.Deployed{
			stable: {Name: "shop-v1", Template: "one", Desired: 2, Ready: 2},
			onTest: {Name: "shop-v2", Template: "two", Desired: 2, Ready: 2},
		},
		ready: map[string]int{stable: 2, onTest: 2},
		bad:   map[string]float64{},
		rate:  1000,
	}
	r := canary.Begin("r1", "hash", time.Now())
	r.Image = "shop:v2"
	w.route = traffic.Route{
		Kind: "VirtualService", Namespace: "default", Name: "shop", Host: "shop", App: "shop",
		Stable: stable, Canary: onTest, Weights: canary.AllStable(), Version: "1",
		Position: &canary.Position{App: "shop", Stable: stable, Canary: onTest, Release: &r},
		Notes:    map[string]string{canary.PlanAnnotation: "the plan"},
	}
	return w
}

// Find, Split, Remember and Watch make it a router.
func (w *world) Find(context.Context, traffic.Query) (traffic.Route, error) { return w.now(), nil }

func (w *world) now() traffic.Route {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.route
}

func (w *world) Split(_ context.Context, r traffic.Route, c traffic.Change, _ traffic.Write) (traffic.Route, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fault != nil {
		if err := w.fault(); err != nil {
			return traffic.Route{}, err
		}
	}
	if c.Fence && (r.Weights != w.route.Weights || !samePlace(r.Position, w.route.Position)) {
		return traffic.Route{}, fmt.Errorf("patch: %w", traffic.ErrConflict)
	}
	w.writes = append(w.writes, c)
	// The API server records the last writer to the second.
	w.route.Author = `"canaryctl" at ` + time.Now().Format("15:04:05")
	w.change(c)
	return w.route, nil
}

func (w *world) Remember(ctx context.Context, r traffic.Route, c traffic.Change, o traffic.Write) (traffic.Route, error) {
	return w.Split(ctx, r, c, o)
}

func (w *world) Admit(_ context.Context, r traffic.Route, _ traffic.Admission, _ traffic.Write) (traffic.Route, error) {
	return r, nil
}

func (w *world) Backends(context.Context, traffic.Route, ...string) (canary.Backends, error) {
	return nil, nil
}

func (w *world) Owned(context.Context, traffic.Route) error { return nil }

func (w *world) Rehearse(context.Context, traffic.Route, string, ...traffic.Beside) error { return nil }

func (w *world) Withdraw(ctx context.Context, r traffic.Route, version string, o traffic.Write) (traffic.Route, error) {
	return w.Dismiss(ctx, r, version, o)
}

func (w *world) Dismiss(_ context.Context, r traffic.Route, _ string, _ traffic.Write) (traffic.Route, error) {
	return r, nil
}

// change is locked.
func (w *world) change(c traffic.Change) {
	w.route.Weights = c.Weights
	if c.Position != nil {
		p := *c.Position
		w.route.Position, w.route.Stable, w.route.Canary = &p, p.Stable, p.Canary
		if p.Canary == "" { // promoted: the weights are those of who was who before
			w.route.Weights = canary.AllStable()
		}
	}
	if c.Beside != nil {
		w.route.Beside = *c.Beside
	}
	notes := maps.Clone(w.route.Notes)
	if notes == nil {
		notes = map[string]string{}
	}
	maps.Copy(notes, c.Notes)
	w.route.Notes = notes
	n, _ := strconv.Atoi(w.route.Version)
	w.route.Version = strconv.Itoa(n + 1)
	w.seen = append(w.seen, c.Weights)
	w.wake()
}

func (w *world) wake() {
	for _, tell := range w.watchers {
		tell()
	}
}

func samePlace(a, b *canary.Position) bool {
	if a == nil || b == nil || a.Release == nil || b.Release == nil {
		return a == b
	}
	return *a.Release == *b.Release
}

func (w *world) Watch(ctx context.Context, _ traffic.Route, seen func(traffic.Sight)) error {
	return w.watch(ctx, func() { seen(traffic.Sight{Route: w.now()}) })
}

// watch calls see now and after every change.
func (w *world) watch(ctx context.Context, see func()) error {
	changed := make(chan struct{}, 1)
	w.mu.Lock()
	id := w.next
	w.next++
	w.watchers[id] = func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.watchers, id)
	}()
	for {
		see()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// pods makes it the workloads.
type pods struct{ *world }

func (p pods) Watch(ctx context.Context, versions []string, seen func(workload.Sight)) error {
	return p.watch(ctx, func() {
		p.mu.Lock()
		s := workload.Sight{Deployments: map[string]workload.Deployed{}}
		for _, v := range versions {
			s.Deployments[v] = p.versions[v]
			for i := range p.ready[v] {
				s.Pods = append(s.Pods, workload.Health{Name: fmt.Sprint(v, "-", i), Version: v, Ready: true})
			}
		}
		p.mu.Unlock()
		seen(s)
	})
}

// counts makes it the source: every reading tells of the time since the last.
type counts struct {
	*world
	last  time.Time
	carry map[string]float64
}

func (c *counts) Name() string { return "the test" }

// Prompt: nobody scrapes what the counts are of.
func (c *counts) Prompt() bool { return true }

func (c *counts) Next(context.Context) ([]metrics.Interval, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.silent != nil {
		c.last = now
		return nil, c.silent
	}
	if !now.After(c.last) {
		return nil, nil
	}
	seconds := now.Sub(c.last).Seconds()
	whole := func(key string, n float64) uint64 {
		c.carry[key] += n
		out := uint64(c.carry[key])
		c.carry[key] -= float64(out)
		return out
	}
	one := stats.Counts{Stratum: "all"}
	weight := float64(c.route.Weights.Canary) / 100
	if c.route.Position != nil && c.route.Position.Canary == "" {
		weight = 1 // v2, which is stable now
	}
	if !c.hangs {
		one.CanaryTotal = whole("c", seconds*c.rate*weight)
	}
	one.StableTotal = whole("s", seconds*c.rate*(1-weight))
	one.CanaryBad = whole("cb", float64(one.CanaryTotal)*c.bad[onTest])
	one.StableBad = whole("sb", float64(one.StableTotal)*c.bad[stable])
	i := metrics.Interval{Metric: metrics.MetricErrors, Start: c.last, End: now, Strata: []stats.Counts{one}}
	c.last = now
	return []metrics.Interval{i}, nil
}

func changeTo(w canary.Weights, p *canary.Position) traffic.Change {
	return traffic.Change{Weights: w, Position: p}
}

func schemaOf(resource string) schema.GroupResource {
	return schema.GroupResource{Group: "networking.istio.io", Resource: resource}
}
