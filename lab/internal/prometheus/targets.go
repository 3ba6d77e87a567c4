package prometheus

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// targets runs one scrape loop per endpoint that is wanted.
type targets struct {
	store  *store
	client *http.Client

	mu      sync.Mutex
	active  map[string]*target
	running sync.WaitGroup
}

func newTargets(store *store, config Config) *targets {
	return &targets{
		store: store,
		client: &http.Client{Transport: &http.Transport{
			DialContext:         config.DialContext,
			MaxIdleConnsPerHost: 1,
			IdleConnTimeout:     30 * time.Second,
		}},
		active: map[string]*target{},
	}
}

// run waits until ctx ends and the loops with it.
func (t *targets) run(ctx context.Context) {
	<-ctx.Done()
	t.mu.Lock() // want starts no loop after this
	t.active = nil
	t.mu.Unlock()
	t.running.Wait()
	t.client.CloseIdleConnections()
}

// want starts and ends loops so that exactly the endpoints are scraped.
func (t *targets) want(ctx context.Context, endpoints []endpoint) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ctx.Err() != nil || t.active == nil {
		return
	}
	wanted := map[string]bool{}
	for _, e := range endpoints {
		key := e.key()
		wanted[key] = true
		if t.active[key] != nil {
			continue
		}
		own, cancel := context.WithCancel(ctx)
		started := &target{endpoint: e, cancel: cancel, cache: map[string]*cached{}, metadata: map[string]metadata{}}
		t.active[key] = started
		t.running.Go(func() { started.run(own, t.store, t.client) })
	}
	for key, gone := range t.active {
		if !wanted[key] {
			gone.cancel()
			delete(t.active, key)
		}
	}
}

// list returns the targets in a stable order.
func (t *targets) list() []*target {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*target, 0, len(t.active))
	for _, one := range t.active {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *target) int {
		return cmp.Or(cmp.Compare(a.pool, b.pool), labels.Compare(a.labels, b.labels))
	})
	return all
}

// inProcess makes endpoints of handlers.
func inProcess(extra []Extra, interval time.Duration) []endpoint {
	var all []endpoint
	for _, e := range extra {
		b := labels.NewBuilder(labels.FromMap(e.Labels)).Set("job", e.Job)
		if e.Labels["instance"] == "" {
			b.Set("instance", e.Job)
		}
		all = append(all, endpoint{
			pool:       e.Job,
			handler:    e.Handler,
			labels:     b.Labels(),
			discovered: map[string]string{"job": e.Job},
			interval:   interval,
			honor:      true, // such a target speaks about others
		})
	}
	return all
}
