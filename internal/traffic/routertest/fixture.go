package routertest

import (
	"testing"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

func (f Fixture) mustFind(t *testing.T) traffic.Route {
	t.Helper()
	r, err := f.Router.Find(t.Context(), f.Query)
	if err != nil {
		t.Fatalf("find: %v", err)
	}
	return r
}

func (f Fixture) admitted(t *testing.T) traffic.Route {
	t.Helper()
	r, err := f.Router.Admit(t.Context(), f.mustFind(t), traffic.Admission{Version: "v2"}, traffic.Write{})
	if err != nil {
		t.Fatalf("admit v2: %v", err)
	}
	return r
}

func (f Fixture) split(t *testing.T, r traffic.Route, stable, onTrial canary.Percent) traffic.Route {
	t.Helper()
	r, err := f.Router.Split(t.Context(), r, traffic.Change{Weights: canary.Weights{Stable: stable, Canary: onTrial}}, traffic.Write{})
	if err != nil {
		t.Fatalf("split %s/%s: %v", stable, onTrial, err)
	}
	return r
}

func (f Fixture) forget(t *testing.T, r traffic.Route, version string) {
	t.Helper()
	r, err := f.Router.Dismiss(t.Context(), r, version, traffic.Write{})
	if err != nil {
		t.Fatalf("dismiss %s: %v", version, err)
	}
	p := r.Place().Without(version)
	if _, err := f.Router.Remember(t.Context(), r, traffic.Change{Position: &p}, traffic.Write{}); err != nil {
		t.Fatalf("forget %s: %v", version, err)
	}
}
