package e2e

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/probe"
)

// failing is a canary, and what its users are like.
type failing struct {
	faults  string // its environment
	timeout string // of the route; empty for none
	users   func(*probe.Config)
	sources []string
}

func patient60s(c *probe.Config)  { c.Timeout, c.Concurrency = time.Minute, probe.MaxConcurrency }
func patient10s(c *probe.Config)  { c.Timeout, c.Concurrency = 10*time.Second, probe.MaxConcurrency }
func impatient(c *probe.Config)   { c.Timeout = time.Second }
func callers(c *probe.Config)     { c.GRPC = true }
func hastyCaller(c *probe.Config) { callers(c); impatient(c) }

// TestReleaseOfWhatFailsOtherwise is of canaries that fail in any way but an answer
// of 500: each is rolled back, by nobody, with default flags, and says why.
func TestReleaseOfWhatFailsOtherwise(t *testing.T) {
	both := []string{prometheus, pods}
	mesh := both[:1] // what the application's own metrics do not show
	for name, test := range map[string]struct {
		failing
		why string
	}{
		"time-outs":      {failing{"FAULT_LATENCY=3s FAULT_LATENCY_SHARE=0.3", "1s", nil, mesh}, `v3 fails more than`},
		"given up":       {failing{"FAULT_LATENCY=20s FAULT_LATENCY_SHARE=0.3", "", impatient, mesh}, `v3 is given up on`},
		"hanging":        {failing{"FAULT_HANG_SHARE=1", "", patient60s, both}, `v3 leaves requests unanswered`},
		"in part":        {failing{"FAULT_HANG_SHARE=0.2", "", patient10s, both}, `v3 (leaves requests unanswered|is given up on)`},
		"broken off":     {failing{"FAULT_BREAK_SHARE=0.3", "", nil, mesh}, `v3 fails more than`},
		"reset":          {failing{"FAULT_RESET_SHARE=0.3", "", nil, mesh}, `v3 fails more than`},
		"gRPC errors":    {failing{"FAULT_GRPC_SHARE=0.3", "", callers, both}, `v3 fails more than`},
		"gRPC deadlines": {failing{"FAULT_HANG_SHARE=0.3", "", hastyCaller, both}, `v3 (fails more than|is given up on)`},
		"gRPC hanging":   {failing{"FAULT_HANG_SHARE=1", "", callers, both}, `v3 leaves requests unanswered`},
	} {
		for _, source := range test.sources {
			t.Run(name+"/"+source, func(t *testing.T) {
				t.Parallel()
				s := test.stage(t, source)
				e := s.drive("release --image versioned-echo:v3 " + setEnv(test.faults))
				e.wants(3)
				r := s.record()
				if r.Outcome != canary.RolledBack || r.EndedBy != "" || !regexp.MustCompile(test.why).MatchString(r.Why) {
					t.Errorf("on record: %s by %q, because %q, want a rollback by the evidence that says %q", r.Outcome, r.EndedBy, r.Why, test.why)
				}
				wantShare(t, s.host(), "v3", 0, 100)
			})
		}
	}
}

// TestReleaseOfWhatOnlyLooksBad spares canaries whose users are served: other codes
// that are right, answers that are slow, tries that help.
func TestReleaseOfWhatOnlyLooksBad(t *testing.T) {
	for name, test := range map[string]failing{
		"slow":           {"FAULT_LATENCY=2s", "", patient60s, []string{prometheus, pods}},
		"gRPC not found": {"FAULT_GRPC_SHARE=0.3 FAULT_GRPC_STATUS=NOT_FOUND", "", callers, []string{prometheus, pods}},
	} {
		for _, source := range test.sources {
			t.Run(name+"/"+source, func(t *testing.T) {
				t.Parallel()
				s := test.stage(t, source)
				e := s.release("v2", quick, setEnv(test.faults))
				e.wants(0)
				if r := s.record(); r.Outcome != canary.Promoted {
					t.Errorf("on record: %s, because %q", r.Outcome, r.Why)
				}
			})
		}
	}
}

// stage has the users and the route of the case, whose requests are known.
func (f failing) stage(t *testing.T, source string) *stage {
	t.Helper()
	s := stageFor(t, source)
	if f.users != nil {
		f.users(&s.users)
	}
	if f.timeout != "" {
		sh(t, fmt.Sprintf(`kubectl patch virtualservice %s -n %s --type=json -p '[{"op":"add","path":"/spec/http/0/timeout","value":"%s"}]'`, route, s.ns, f.timeout))
	}
	s.begin()
	eventually(t, time.Minute, func() (bool, string) {
		r := try(t, "canaryctl plan suggest --metrics-source "+source+" -n "+s.ns, s.env)
		return r.Code == 0, r.String()
	})
	return s
}

// setEnv is the flags for an environment.
func setEnv(pairs string) string {
	return regexp.MustCompile(`(\S+=)`).ReplaceAllString(pairs, "--set-env $1")
}
