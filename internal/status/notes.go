package status

import (
	"context"
	"fmt"
	"strings"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/provision"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// takeNotes says what keeps canaryctl from releasing what a report is about.
func (r Reader) takeNotes(ctx context.Context, deployments workload.Deployments, report, last *Report) {
	if last != nil && report.At.Sub(last.noted) < Every {
		report.noted, report.Notes = last.noted, last.Notes
		return
	}
	report.noted = report.At
	if followers := report.Found.Followers; len(followers) > 0 {
		report.Notes = append(report.Notes, fmt.Sprintf("VirtualService %s: sends to the same versions, and is moved along", strings.Join(followers, ", ")))
	}
	if text := Pinned(report.Found); text != "" {
		report.Notes = append(report.Notes, text)
	}
	for _, err := range append([]error{r.Router.Owned(ctx, report.Found), provision.Elsewhere(report.Found)}, unmanaged(ctx, deployments, report)...) {
		if err != nil {
			report.Notes = append(report.Notes, note(err))
		}
	}
}

// Pinned says which requests go to the canary whatever the weights are; "" for none.
func Pinned(route traffic.Route) string {
	if len(route.Pinned) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: by a rule of your own, requests go to %s whatever the weights are: %s; canaryctl rollback --all-rules sends them to %s",
		route.Name, route.Canary, strings.Join(route.Pinned, ", "), route.Stable)
}

// unmanaged says of the versions in the route that have no Deployment what runs
// their Pods.
func unmanaged(ctx context.Context, deployments workload.Deployments, report *Report) []error {
	if report.Found.Elsewhere != "" {
		return nil
	}
	var reasons []error
	for _, v := range report.Versions {
		if v.Deployment != "" || v.Role != RoleStable && v.Role != RoleCanary {
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
