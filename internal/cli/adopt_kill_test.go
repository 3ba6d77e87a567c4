package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/canaryctl/canaryctl/internal/cli"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

var (
	adopts   = []string{"adopt", "--host", "shop", "--yes", "--settle", "0"}
	unadopts = append(adopts[:len(adopts):len(adopts)], "--undo")
)

// TestAdoptKilledAnywhere cuts adopt, and its undo, off between any two requests, and
// after each whose answer is then lost. The same command, given again, must end where it
// would have ended, and undo where adopt began.
func TestAdoptKilledAnywhere(t *testing.T) {
	for _, objects := range []struct{ name, more string }{
		{"route and rule", plainRoute + plainRule},
		{"neither", ""},
	} {
		plain := newPlain(t, objects.more)
		before := plain.dump(t)
		for _, test := range []struct {
			name  string
			setup [][]string
			args  []string
		}{
			{"adopt", nil, adopts},
			{"undo", [][]string{adopts}, unadopts},
		} {
			t.Run(objects.name+"/"+test.name, func(t *testing.T) {
				prepared := func() *release {
					r := newPlain(t, objects.more)
					for _, args := range test.setup {
						r.wants(t, "before", args)
					}
					r.server.ResetRequests()
					return r
				}
				whole := prepared()
				whole.wants(t, "uncut", test.args)
				want, requests := whole.dump(t), len(whole.server.Requests())
				if test.setup != nil {
					if diff := cmp.Diff(before, want); diff != "" {
						t.Errorf("undo leaves (-before +after):\n%s", diff)
					}
				}
				for n := range requests + 1 {
					for _, lost := range []bool{false, true} {
						where := fmt.Sprintf("cut after %d requests (answer lost: %t)", n, lost)
						r := prepared()
						r.kill(t, r.server.CutAfter(n, lost), test.args)
						r.server.Heal()
						r.wants(t, where+", then given again", test.args)
						if diff := cmp.Diff(want, r.dump(t)); diff != "" {
							t.Errorf("%s, then given again (-uncut +cut):\n%s", where, diff)
						}
						r.wants(t, where+", then undone", unadopts)
						if diff := cmp.Diff(before, r.dump(t)); diff != "" {
							t.Errorf("%s, then undone (-before +after):\n%s", where, diff)
						}
					}
				}
			})
		}
	}
}

// TestAdoptRefusedAnywhere has each write refused once: nothing is lost by that, and the
// way back is open.
func TestAdoptRefusedAnywhere(t *testing.T) {
	for nth := 1; nth <= 3; nth++ {
		r := newPlain(t, plainRoute+plainRule)
		before, writes := r.dump(t), 0
		r.server.Fail(func(q kubetest.Request) error {
			if q.Verb != "patch" && q.Verb != "create" && q.Verb != "delete" {
				return nil
			}
			if writes++; writes != nth {
				return nil
			}
			return apierrors.NewForbidden(schema.GroupResource{Resource: q.Resource}, q.Name, fmt.Errorf("no"))
		})
		if code := r.run(t, adopts); code != cli.ExitFailed {
			t.Errorf("write %d refused: status %d\n%s", nth, code, r.narration.String())
		}
		r.wants(t, fmt.Sprintf("write %d refused, then undone", nth), unadopts)
		if diff := cmp.Diff(before, r.dump(t)); diff != "" {
			t.Errorf("write %d refused, then undone (-before +after):\n%s", nth, diff)
		}
	}
}

// TestAdoptBesideOthers has somebody write each object between what adopt read and what it
// wrote: that is kept.
func TestAdoptBesideOthers(t *testing.T) {
	for _, resource := range []string{"virtualservices", "destinationrules", "deployments"} {
		for _, args := range [][]string{adopts, unadopts} {
			r := newPlain(t, plainRoute+plainRule)
			if args[len(args)-1] == "--undo" {
				r.wants(t, "before", adopts)
			}
			r.server.Conflict(2, resource, nil)
			r.wants(t, fmt.Sprintf("%v, with conflicts of %s", args, resource), args)
		}
	}
}

// TestAdoptTakenBack has a tool apply the Deployment again, without the label, as soon as
// it has it: no route names a subset that selects no Pod.
func TestAdoptTakenBack(t *testing.T) {
	r := newPlain(t, plainRoute+plainRule)
	before := r.server.Get(kube.VirtualServices(), "default", "shop")
	r.server.OnWrite(func(e kubetest.Event) {
		if labels, _, _ := unstructured.NestedStringMap(e.Object.Object, "spec", "template", "metadata", "labels"); labels["version"] != "" {
			if err := r.server.Load(plainShop); err != nil {
				t.Error(err)
			}
		}
	})
	if code := r.run(t, adopts); code != cli.ExitFailed || !strings.Contains(r.narration.String(), "the Pods of Deployment default/shop have not version=v1 any more") {
		t.Errorf("status %d\n%s", code, r.narration.String())
	}
	if diff := cmp.Diff(before.Object["spec"], r.server.Get(kube.VirtualServices(), "default", "shop").Object["spec"]); diff != "" {
		t.Errorf("the route names it all the same (-before +after):\n%s", diff)
	}
}

func (r *release) wants(t *testing.T, what string, args []string) {
	t.Helper()
	r.narration = bytes.Buffer{}
	if code := r.run(t, args); code != cli.ExitDone {
		t.Fatalf("%s: %v: status %d\n%s", what, args, code, r.narration.String())
	}
}

// newPlain is a cluster with a Deployment that was never made for canaries.
func newPlain(t *testing.T, more string) *release {
	t.Helper()
	r := &release{server: kubetest.New(t), kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	r.server.RunDeployments(nil)
	if err := r.server.Load(plainShop + more); err != nil {
		t.Fatal(err)
	}
	config, err := r.server.Kubeconfig()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.kubeconfig, config, 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

const plainShop = `
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: {app: shop}}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: "shop:v1"}]}
`

const plainRoute = `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop]
  http:
    - match: [{uri: {prefix: /checkout}}]
      timeout: 2s
      route: [{destination: {host: shop, port: {number: 80}}}]
    - route: [{destination: {host: shop}}]
`

const plainRule = `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: policy}
spec:
  host: shop
  trafficPolicy: {connectionPool: {http: {maxRetries: 3}}}
`
