package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/event"
)

// TestReleaseByHeaderAndMirror lets the canary answer whoever says so in a header,
// then copies, then users. However the release ends, nothing but weights is left
// in the route.
func TestReleaseByHeaderAndMirror(t *testing.T) {
	const plan = `
  steps:
    - {header: {name: x-user, value: us}, min: 1h}
    - {mirror: true, weight: 50, min: 1h}
    - {weight: 20, min: 1h}
`
	for _, c := range []struct {
		ends string
		code int
		left map[string]any // by version, what has the traffic then
	}{
		{"rollback", 3, map[string]any{"v1": 100, "v2": 0}},
		{"promote", 0, map[string]any{"v1": 0, "v2": 100}},
	} {
		t.Run(c.ends, func(t *testing.T) {
			t.Parallel()
			s := perform(t, pods)
			e := s.release("v2", plan, "")
			s.untilKind(event.Step, 1)
			colleague := &http.Client{Transport: wearing{"x-user", "us"}}
			eventually(t, 20*time.Second, func() (bool, string) {
				version, err := requestBy(t.Context(), colleague, s.host())
				return err == nil && version == "v2", version + " answers who has the header"
			})
			for range 50 {
				if version, err := requestBy(t.Context(), colleague, s.host()); err != nil || version != "v2" {
					t.Fatalf("%s answered a request with the header, %v", version, err)
				}
			}
			wantShare(t, s.host(), "v2", 0, 100)
			atHeader := s.untilStep(0)
			if got := atHeader.Hurt.Requests; got > 200 {
				t.Errorf("the canary answered %d requests, and few had the header", got)
			}

			s.types("promote --step")
			s.untilKind(event.Step, 2)
			eventually(t, 20*time.Second, func() (bool, string) {
				version, err := requestBy(t.Context(), colleague, s.host())
				return err == nil && version == "v1", version + " answers who has the header, at a step of copies"
			})
			wantShare(t, s.host(), "v2", 0, 100)
			s.until("copies that the canary answered", func(r written) bool { return r.Hurt.Requests > atHeader.Hurt.Requests+100 })

			if c.ends == "promote" { // the step of users as well
				s.types("promote --step")
				s.untilKind(event.Step, 3)
				wantShare(t, s.host(), "v2", .2, 300)
			}
			s.types(c.ends)
			e.wants(c.code)
			s.wantNothingBeside(c.left)
		})
	}
}

// wearing is a client whose requests carry a header.
type wearing struct{ name, value string }

func (w wearing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(w.name, w.value)
	return http.DefaultTransport.RoundTrip(r)
}

// wantNothingBeside sees that the route is one rule with these weights, and
// copies nothing.
func (s *stage) wantNothingBeside(want map[string]any) {
	s.t.Helper()
	var vs struct {
		Spec struct {
			HTTP []struct {
				Match, Mirror, Mirrors, MirrorPercentage any
				Route                                    []struct {
					Destination struct{ Subset string }
					Weight      int
				}
			}
		}
	}
	decode(s.t, sh(s.t, "kubectl get virtualservice "+route+" -o json -n "+s.ns).Stdout, &vs)
	if len(vs.Spec.HTTP) != 1 {
		s.t.Fatalf("the route has %d rules: %+v", len(vs.Spec.HTTP), vs.Spec.HTTP)
	}
	rule := vs.Spec.HTTP[0]
	if rule.Match != nil || rule.Mirror != nil || rule.Mirrors != nil || rule.MirrorPercentage != nil {
		s.t.Errorf("something is left in the route: %+v", rule)
	}
	got := map[string]any{}
	for _, d := range rule.Route {
		got[d.Destination.Subset] = d.Weight
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("the weights that are left (-want +got):\n%s", diff)
	}
}
