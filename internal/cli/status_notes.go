package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// takeNotes says what keeps canaryctl from releasing what a report is about. A
// watch looks as often as at the metrics: it seldom changes.
func (o *status) takeNotes(ctx context.Context, router traffic.Router, deployments workload.Deployments, report, last *statusReport) {
	if last != nil && report.at.Sub(last.noted) < measureEvery {
		report.noted, report.Notes = last.noted, last.Notes
		return
	}
	report.noted = report.at
	if followers := report.route.Followers; len(followers) > 0 {
		report.Notes = append(report.Notes, fmt.Sprintf("VirtualService %s: sends to the same versions, and is moved along", strings.Join(followers, ", ")))
	}
	if text := stillPinned(report.route); text != "" {
		report.Notes = append(report.Notes, text)
	}
	for _, err := range append([]error{router.Owned(ctx, report.route), away(report.route)}, unmanaged(ctx, deployments, report)...) {
		if err != nil {
			report.Notes = append(report.Notes, note(err))
		}
	}
}

// unmanaged says of the versions in the route that have no Deployment what runs
// their Pods.
func unmanaged(ctx context.Context, deployments workload.Deployments, report *statusReport) []error {
	if report.route.Elsewhere != "" {
		return nil
	}
	var reasons []error
	for _, v := range report.Versions {
		if v.Deployment != "" || v.Role != roleStable && v.Role != roleCanary {
			continue
		}
		reasons = append(reasons, deployments.Explain(ctx, v.Version))
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
