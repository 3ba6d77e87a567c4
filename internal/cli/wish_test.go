package cli_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/cli"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

const heldLease = `
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: canaryctl-versioned-echo-virtualservice}
spec: {holderIdentity: ci-runner-7, leaseDurationSeconds: 15, renewTime: "2199-01-01T00:00:00.000000Z"}
`

// TestPromoteIsHeard has an engine take what it is asked for, and promote says what
// became of it.
func TestPromoteIsHeard(t *testing.T) {
	for _, test := range []struct {
		command, want string
		take          func(canary.Position) canary.Position
	}{
		{"promote --step", "ci-runner-7 does so: it stands at step 3 of 3: v1 80%, v2 20%", func(p canary.Position) canary.Position {
			p.Release.Wish, p.Release.Step = "", 2
			return p
		}},
		{"promote", "release r1 is over: promoted, by hand: somebody asked for the promotion", func(p canary.Position) canary.Position {
			done := p.Release.Done(canary.ByHand, canary.Total, "somebody asked for the promotion", time.Now())
			p = p.Promoted()
			p.Release = &done
			return p
		}},
		{"promote", "that release is over, and forgotten", func(p canary.Position) canary.Position {
			p.Release = nil
			return p
		}},
	} {
		t.Run(test.command, func(t *testing.T) {
			r := newRelease(t, [][]string{{"create-canary", "--image", "versioned-echo:v2"}})
			for _, s := range standings() {
				if s.name == "progressing" {
					s.put(t, r)
				}
			}
			if err := r.server.Load(heldLease); err != nil {
				t.Fatal(err)
			}
			r.server.OnWrite(engine(r.server, test.take))
			if code := r.run(t, strings.Fields(test.command)); code != cli.ExitDone {
				t.Errorf("status %d", code)
			}
			if got := r.narration.String(); !strings.Contains(got, test.want) {
				t.Errorf("told:\n%s\nwant: %s", got, test.want)
			}
		})
	}
}

// engine answers a wish in the route, as one that drives the release would.
func engine(server *kubetest.Server, take func(canary.Position) canary.Position) func(kubetest.Event) {
	return func(e kubetest.Event) {
		place := canary.Position{}
		text := e.Object.GetAnnotations()[canary.Annotation]
		if json.Unmarshal([]byte(text), &place) != nil || place.Release == nil || place.Release.Wish == "" {
			return
		}
		data, err := json.Marshal(take(place))
		if err != nil {
			panic(err) // strings and times
		}
		o := e.Object.DeepCopy()
		if err := unstructured.SetNestedField(o.Object, string(data), "metadata", "annotations", canary.Annotation); err != nil {
			panic(err) // it has annotations
		}
		server.Put(o)
	}
}
