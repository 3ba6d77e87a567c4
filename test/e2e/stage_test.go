package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/probe"
	released "github.com/canaryctl/canaryctl/internal/record"
	"github.com/canaryctl/canaryctl/test/labtest"
)

// Where an engine reads what the versions answer.
const (
	prometheus = "prometheus"
	pods       = "pods"
)

// written is what is on record of a release.
type written = released.Release

// stage is a namespace in which v1 answers steady traffic, and releases are
// driven with the rights of the Role under k8s/rbac and no others.
type stage struct {
	t      *testing.T
	ns     string
	dir    string // of the plan and the record; commands run there
	env    string // the kubeconfig of the ServiceAccount
	source string // prometheus or pods
	users  probe.Config
	// recordFile is where the engines that are driven from now on write.
	recordFile func() string
	seen       *recorder
	load       *labtest.Traffic
}

// perform sets a stage, with some of the optional Roles by name. The Pods can only
// be read with the one of that name.
func perform(t *testing.T, source string, optional ...string) *stage {
	t.Helper()
	s := stageFor(t, source)
	s.begin(optional...)
	return s
}

// stageFor is a stage without users and Roles.
func stageFor(t *testing.T, source string) *stage {
	t.Helper()
	s := &stage{t: t, ns: namespace(t), dir: t.TempDir(), source: source, users: probe.Default()}
	s.users.Rate = 60
	s.recordFile = func() string { return filepath.Join(s.dir, "record.jsonl") }
	base(t, s.ns)
	return s
}

// begin gives the ServiceAccount its Roles, and the versions their traffic.
func (s *stage) begin(optional ...string) {
	s.t.Helper()
	if s.source == pods {
		optional = append(optional, "pods")
	}
	files := "-f k8s/rbac"
	for _, name := range optional {
		files += " -f k8s/rbac/optional/" + name + ".yaml"
	}
	sh(s.t, "kubectl apply -n "+s.ns+" "+files)
	path, err := lab.ServiceAccountKubeconfig(s.t.Context(), s.ns, "canaryctl", s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	s.env = "KUBECONFIG=" + path
	s.seen = record(s.t, s.ns)
	s.load = lab.SendAs(s.t.Context(), s.host(), s.users)
	s.t.Cleanup(func() {
		if _, err := s.load.Stop(); err != nil {
			s.t.Error(err)
		}
	})
}

func (s *stage) host() string { return "versioned-echo." + s.ns }

// plan writes the plan file: steps, and whatever else, each at its indentation
// under spec.
func (s *stage) plan(spec string) string {
	s.t.Helper()
	path := s.planFile()
	text := "apiVersion: canaryctl.io/v1alpha1\nkind: Plan\nspec:\n" + strings.Trim(spec, "\n") + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *stage) planFile() string { return filepath.Join(s.dir, "plan.yaml") }

// Steps of plans: quick is over within seconds, patient stands at 20% until
// somebody does something.
const (
	quick = `
  steps:
    - {weight: 20, min: 1s, exposure: 20}
    - {weight: 50, min: 1s, exposure: 60}
`
	patient = `
  steps:
    - {weight: 20, min: 1h}
    - {weight: 50, min: 1h}
`
)

// history is every version of the route, from the first that was seen.
func (s *stage) history() []labtest.Sight {
	s.t.Helper()
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	var all []labtest.Sight
	for _, u := range s.seen.versions {
		sight, err := labtest.ReadRoute(u)
		if err != nil {
			s.t.Errorf("version %s of the route: %v", u.GetResourceVersion(), err)
			continue
		}
		all = append(all, sight)
	}
	return all
}

// route is the last of them.
func (s *stage) route() labtest.Sight {
	s.t.Helper()
	all := s.history()
	if len(all) == 0 {
		return labtest.Sight{Rules: []map[string]canary.Percent{{}}}
	}
	return all[len(all)-1]
}

// record is what the file says of the last release so far.
func (s *stage) record() written {
	s.t.Helper()
	file, err := os.Open(s.recordFile())
	if errors.Is(err, fs.ErrNotExist) {
		return written{}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	all, err := released.Read(file)
	if err != nil {
		s.t.Fatal(err)
	}
	last, _ := all.Find("")
	return last
}

// until waits for something to be on record.
func (s *stage) until(what string, condition func(written) bool) written {
	s.t.Helper()
	var last written
	eventually(s.t, time.Minute, func() (bool, string) {
		last = s.record()
		return condition(last), what + " is not on record; " + tail(last.Events)
	})
	return last
}

// untilKind waits for an event of a kind to be the nth on record.
func (s *stage) untilKind(kind event.Kind, nth int) event.Event {
	s.t.Helper()
	r := s.until(string(kind), func(r written) bool { return len(ofKind(r, kind)) >= nth })
	return ofKind(r, kind)[nth-1]
}

// untilStep waits until a step, by its index, is on its way and the canary has
// answered requests that are known.
func (s *stage) untilStep(step int) written {
	s.t.Helper()
	return s.until("a reading at the step", func(r written) bool {
		for _, e := range ofKind(r, event.Evidence) {
			if e.At.Step == step && requestsOf(e) > 0 {
				return true
			}
		}
		return false
	})
}

func ofKind(r written, kind event.Kind) []event.Event {
	var some []event.Event
	for _, e := range r.Events {
		if e.Kind == kind {
			some = append(some, e)
		}
	}
	return some
}

// requestsOf is how many the canary answered, as far as an event knows.
func requestsOf(e event.Event) uint64 {
	if e.Known == nil || len(e.Known.Metrics) == 0 {
		return 0
	}
	return e.Known.Metrics[0].Canary.Requests
}

// driven is what status says of who drives, and of what is known by the lease.
func (s *stage) driven() (d struct {
	Driver struct {
		Name  string
		Alive bool
	}
	Known event.Known
}) {
	s.t.Helper()
	status := struct{ Release any }{&d}
	decode(s.t, s.prints("status -o json"), &status)
	return d
}

// tail is the end of a record for people.
func tail(events []event.Event) string {
	var b strings.Builder
	b.WriteString("it ends with:")
	for _, e := range events[max(0, len(events)-8):] {
		b.WriteString("\n  " + e.Time.Format("15:04:05.000") + " " + string(e.Kind) + ": " + e.Message)
	}
	return b.String()
}

// wantRoute waits until the route gives the canary a weight in a phase.
func (s *stage) wantRoute(version string, weight canary.Percent, phase canary.Phase) labtest.Sight {
	s.t.Helper()
	var last labtest.Sight
	eventually(s.t, time.Minute, func() (bool, string) {
		last = s.route()
		r := last.Release()
		return last.Weight(version) == weight && r.Phase == phase,
			fmt.Sprintf("the route has %s, want %s at %s%%, %s", describe(last), version, weight, phase)
	})
	return last
}
