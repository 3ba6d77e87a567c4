package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/planfile"
)

// suggestFrom is how far back a plan looks for the traffic that there is. A release
// begins with what is so now, not with what was so last night.
const suggestFrom = 5 * time.Minute

// suggest makes a plan from the traffic that there is. Where none can be read the
// plan is one for a service of which nothing is known, which takes longer.
func (o *releaseOptions) suggest(ctx context.Context, p *canaryPlan) error {
	document, notes, err := o.suggested(ctx, p)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		document = planfile.Default()
		fmt.Fprintf(o.f.Err, "the plan is one for a service of which nothing is known: %v\n", err)
		fmt.Fprintf(o.f.Err, "hint: %s\n", cmp.Or(hint.Of(err), "canaryctl plan suggest --rate R --error-share S makes a plan of what you know; release -f takes it"))
	}
	for _, n := range notes {
		fmt.Fprintf(o.f.Err, "plan: %s: %s\n", n.Field, n.Text)
	}
	o.follow(document)
	return nil
}

func (o *releaseOptions) suggested(ctx context.Context, p *canaryPlan) (planfile.Document, []planfile.Note, error) {
	now := o.f.Clock.Now()
	reading := plan{Factory: o.f, source: o.source.source, stored: stored{
		prometheus: o.source.prometheus, metrics: o.source.metrics, begin: now.Add(-suggestFrom), end: now,
	}}
	release := p.measured()
	release.Canary = ""
	u, err := reading.usual(ctx, release)
	if err != nil {
		return planfile.Document{}, nil, err
	}
	if u.stable.Requests == 0 {
		return planfile.Document{}, nil, errors.Join(metrics.ErrNoData, errors.New("stable answers nothing"))
	}
	fmt.Fprintf(o.f.Err, "%s, %s: %.3g requests/s, %s of stable's bad\n", u.from, u.within, u.rate, armText(u.stable))
	return planfile.Suggest(u.rate, float64(u.stable.Bad)/float64(u.stable.Requests), planfile.Options{
		Dispersion: u.dispersion, Interval: u.every,
	})
}
