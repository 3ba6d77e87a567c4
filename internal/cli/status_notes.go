package cli

import (
	"context"
	"fmt"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// takeNotes says what keeps canaryctl from releasing what a report is about. A
// watch looks as often as at the metrics: it seldom changes.
func (o *status) takeNotes(ctx context.Context, report, last *statusReport) {
	if last != nil && report.at.Sub(last.noted) < measureEvery {
		report.noted, report.Notes = last.noted, last.Notes
		return
	}
	report.noted = report.at
	router, err := o.f.Router()
	if err != nil {
		return
	}
	for _, err := range append([]error{foreign(ctx, router, report.route), away(report.route)}, o.unmanaged(ctx, router, report)...) {
		if err != nil {
			report.Notes = append(report.Notes, note(err))
		}
	}
}

// unmanaged says of the versions in the route that have no Deployment what runs
// their Pods.
func (o *status) unmanaged(ctx context.Context, router traffic.Router, report *statusReport) []error {
	deployments, err := o.f.Deployments(report.route)
	if err != nil {
		return nil
	}
	var reasons []error
	for _, v := range report.Versions {
		if v.Deployment != "" || v.Role != roleStable && v.Role != roleCanary {
			continue
		}
		reasons = append(reasons, explained(ctx, router, deployments, report.route, v.Version))
	}
	return reasons
}

// note is an error, with its next step, on one line.
func note(err error) string {
	if next := hint.Of(err); next != "" {
		return fmt.Sprintf("%v; %s", err, next)
	}
	return err.Error()
}
