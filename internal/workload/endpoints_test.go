package workload

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

// endpointSlice lists one Pod of the Service shop.
func endpointSlice(name, address, ready string) string {
	return fmt.Sprintf(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %s, namespace: default, labels: {kubernetes.io/service-name: shop}}
addressType: IPv4
endpoints: [{addresses: [%s], conditions: {ready: %s}}]
`, name, address, ready)
}

func canaryPod(name, address, ready string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: default, labels: {app: shop, version: v2}}
status: {podIP: %s, phase: Running, conditions: [{type: Ready, status: "%s"}]}
`, name, address, ready)
}

func TestWaitListed(t *testing.T) {
	pods := []string{canaryPod("a", "10.0.0.1", "True"), canaryPod("b", "10.0.0.2", "True")}
	stable := endpointSlice("shop-x", "10.0.0.9", "true")
	a, b := endpointSlice("shop-y", "10.0.0.1", "true"), endpointSlice("shop-z", "10.0.0.2", "true")
	for _, c := range []struct {
		name    string
		objects []string
		prepare func(*kubetest.Server)
		want    bool
	}{
		{"all are", append(pods, stable, a, b), nil, true},
		{"one is not", append(pods, stable, a), nil, false},
		{"one is, as not ready", append(pods, stable, a, endpointSlice("shop-z", "10.0.0.2", "false")), nil, false},
		{"one says nothing of being ready", append(pods, a, endpointSlice("shop-z", "10.0.0.2", "null")), nil, true},
		{"a Pod that is not ready does not matter", append(pods, a, b, canaryPod("c", "10.0.0.3", "False")), nil, true},
		{"no such Service", pods, nil, true},
		{"may not be read", append(pods, stable), func(s *kubetest.Server) { s.Forbid("list", "endpointslices") }, true},
		{"the server fails", append(pods, a, b), func(s *kubetest.Server) {
			s.Fail(func(kubetest.Request) error { return errors.New("etcd is electing a leader") })
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := kubetest.New(t, c.objects...)
			if c.prepare != nil {
				c.prepare(s)
			}
			d := connect(t, s)
			d.clock = hasty{clocktesting.NewFakeClock(time.Unix(0, 0))}
			got, err := d.WaitListed(t.Context(), canaryOf(t, "shop:v2"), "shop", 5*time.Second)
			if err != nil || got != c.want {
				t.Errorf("listed: %t, %v; want %t", got, err, c.want)
			}
		})
	}
}

// TestWaitListedLooksAgain has the second Pod listed after the third look.
func TestWaitListedLooksAgain(t *testing.T) {
	s := kubetest.New(t, canaryPod("a", "10.0.0.1", "True"), endpointSlice("shop-x", "10.0.0.9", "true"))
	looks := 0
	s.Fail(func(r kubetest.Request) error {
		if r.Resource == "endpointslices" {
			if looks++; looks == 3 {
				return s.Load(endpointSlice("shop-y", "10.0.0.1", "true"))
			}
		}
		return nil
	})
	d := connect(t, s)
	d.clock = hasty{clocktesting.NewFakeClock(time.Unix(0, 0))}
	if got, err := d.WaitListed(t.Context(), canaryOf(t, "shop:v2"), "shop", 5*time.Second); err != nil || !got || looks != 3 {
		t.Errorf("listed: %t after %d looks, %v; want true after 3", got, looks, err)
	}
}

// hasty is a clock on which the next tick is always due.
type hasty struct{ *clocktesting.FakeClock }

func (h hasty) NewTicker(every time.Duration) clock.Ticker {
	return hastyTicker{h.FakeClock.NewTicker(every), func() { h.Step(every) }}
}

type hastyTicker struct {
	clock.Ticker
	tick func()
}

func (t hastyTicker) C() <-chan time.Time {
	t.tick()
	return t.Ticker.C()
}
