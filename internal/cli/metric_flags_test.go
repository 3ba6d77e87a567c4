package cli

import (
	"slices"
	"testing"

	"github.com/canaryctl/canaryctl/internal/planfile"
)

// The plan says which statuses of gRPC count as failed, and a flag says it first.
func TestStatusesOfPlanAndFlag(t *testing.T) {
	for _, test := range []struct {
		flag string
		plan []planfile.GRPCStatus
		want []string // nil for those of the profile
	}{
		{"", nil, nil},
		{"", []planfile.GRPCStatus{"Internal", "Aborted"}, []string{"Internal", "Aborted"}},
		{"", []planfile.GRPCStatus{}, []string{}},
		{"13", []planfile.GRPCStatus{"Aborted"}, []string{"Internal"}},
		{"none", []planfile.GRPCStatus{"Aborted"}, []string{}},
	} {
		var o releaseOptions
		o.source.metrics.grpcFailed = test.flag
		document := planfile.Default()
		document.Spec.Analysis.GRPCFailed = test.plan
		o.follow(document)
		stored := o.document.Spec.Analysis.GRPCFailed

		var later metricFlags // of whoever resumes it
		later.orFailed(stored)
		got, err := later.statuses()
		if err != nil || !slices.Equal(got, test.want) || (got == nil) != (test.want == nil) {
			t.Errorf("flag %q and plan %q: %q, %v, want %q", test.flag, test.plan, got, err, test.want)
		}
	}
}
