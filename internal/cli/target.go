package cli

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/traffic"
)

// target is the route that a command works on, as the flags name it.
type target struct {
	vs   string
	host string
}

func (t *target) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&t.vs, "vs", "", "VirtualService that splits the traffic (default: found by itself)")
	flags.StringVar(&t.host, "host", "", "destination host, short or fully qualified (default: found by itself)")
}

// find returns the router and the route. With split, the route has somewhere to
// move traffic to or from.
func (t target) find(ctx context.Context, f *Factory, split bool) (traffic.Router, traffic.Route, error) {
	namespace, err := f.Namespace()
	if err != nil {
		return nil, traffic.Route{}, err
	}
	router, err := f.Router()
	if err != nil {
		return nil, traffic.Route{}, err
	}
	route, err := router.Find(ctx, traffic.Query{Namespace: namespace, Route: t.vs, Host: t.host, App: f.App(), Split: split})
	return router, route, err
}

// shares tells how the traffic of a route is split: "v1 90%, v2 10%".
func shares(r traffic.Route) string {
	text := fmt.Sprintf("%s %s%%", r.Stable, r.Weights.Stable)
	if r.Canary != "" {
		text += fmt.Sprintf(", %s %s%%", r.Canary, r.Weights.Canary)
	}
	return text
}
