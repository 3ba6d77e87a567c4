package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/canaryctl/canaryctl/internal/cli"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

func TestMain(m *testing.M) {
	program := func() { os.Exit(cli.Main()) }
	testscript.Main(m, map[string]func(){"canaryctl": program, "kubectl-canary": program})
}

// TestScript runs the command lines of testdata/script with the real main, each
// script against an API server of its own, to which KUBECONFIG leads, and with
// the rights of the Roles that we ship and no others. $K8S is the folder of the
// manifests.
//
//	cluster load FILE...           store the objects, with Pods for Deployments
//	cluster delete RESOURCE NAME   remove one
//	cluster get RESOURCE NAME FILE write one to a file, without what a server adds
//	cluster requests FILE          write the requests since the last time to a file
//	cluster admin                  allow everything
//	cluster allow NAME...          what k8s/rbac/optional/NAME.yaml allows, too
//	cluster forbid VERB RESOURCE   refuse, as without RBAC's leave
//	cluster unserve GROUP          as before the CRDs are installed
//	cluster conflict N RESOURCE    answer the next N writes with a conflict
//	cluster cut N                  break every connection after N requests
//	cluster heal                   take all such failures back
//	cluster stop                   nothing answers any more
//	waiting IMAGE REASON           Pods of the image wait for this reason
//	prometheus load FILE           what the Prometheus at $PROMETHEUS has: a series and
//	                               its values, 5 s apart until now, on each line
//	prometheus lab                 the cluster says that it is there, as the lab's does
//	prometheus headers FILE        write what it was last sent along with a query
//	history load FILE              what the Prometheus at $HISTORY has stored: a series, how
//	                               much it grows per second, and from when, on each line
//	history asked FILE             write what it was asked since the last time
//	mesh BAD BAD                   at $MESH, a Prometheus of one whose v1 and v2 answer,
//	                               and fail so often
//	mesh follow                    its requests follow the weights of the route, of v1 and v2
//	mesh hang                      v2 answers nothing
//	mesh latency TIMES             it has histograms, with so many times as many slow
//	                               requests of v2 as of v1
//	mesh kill|revive               it breaks every connection, or no longer does
func TestScript(t *testing.T) {
	manifests, err := filepath.Abs("../../k8s")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			c, err := newCluster(filepath.Join(env.WorkDir, "kubeconfig"))
			if err != nil {
				return err
			}
			env.Defer(c.server.Close)
			if err := c.allow(manifests); err != nil {
				return err
			}
			env.Values[clusterKey{}] = c
			env.Setenv("KUBECONFIG", filepath.Join(env.WorkDir, "kubeconfig"))
			env.Setenv("K8S", manifests)
			startFakes(env)
			prepareMesh(env)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cluster":    clusterCommand,
			"history":    historyCommand,
			"mesh":       meshCommand,
			"prometheus": prometheusCommand,
			"waiting": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Value(clusterKey{}).(*cluster).waiting.Store(args[0], args[1])
			},
		},
	})
}

type clusterKey struct{}

// cluster is the API server of one script.
type cluster struct {
	server  *kubetest.Server
	waiting sync.Map // reason by image; the server's goroutines read it
}

func newCluster(kubeconfig string) (*cluster, error) {
	server, err := kubetest.Start()
	if err != nil {
		return nil, err
	}
	c := &cluster{server: server}
	server.RunDeployments(func(image string) string {
		reason, _ := c.waiting.Load(image)
		text, _ := reason.(string)
		return text
	})
	config, err := server.Kubeconfig()
	if err != nil {
		return nil, err
	}
	return c, os.WriteFile(kubeconfig, config, 0o600)
}

// allow gives clients the rights of the Roles under k8s/rbac, and more of the optional
// ones by name.
func (c *cluster) allow(manifests string, more ...string) error {
	files := []string{"role.yaml", "optional/autoscaling.yaml", "optional/lab.yaml", "optional/prometheus.yaml"}
	for _, name := range more {
		files = append(files, "optional/"+name+".yaml")
	}
	var roles []string
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(manifests, "rbac", file))
		if err != nil {
			return err
		}
		roles = append(roles, string(data))
	}
	return c.server.Allow(roles...)
}

func clusterCommand(ts *testscript.TestScript, _ bool, args []string) {
	c := ts.Value(clusterKey{}).(*cluster)
	if err := c.do(ts, args); err != nil {
		ts.Fatalf("cluster %s: %v", strings.Join(args, " "), err)
	}
}

func (c *cluster) do(ts *testscript.TestScript, args []string) error {
	switch verb, args := args[0], args[1:]; verb {
	case "load":
		for _, file := range args {
			if err := c.server.Load(ts.ReadFile(file)); err != nil {
				return err
			}
		}
		return nil
	case "delete":
		c.server.Delete(resource(args[0]), "default", args[1])
		return nil
	case "get":
		return c.get(resource(args[0]), args[1], ts.MkAbs(args[2]))
	case "requests":
		return c.requests(ts.MkAbs(args[0]))
	case "allow":
		return c.allow(ts.Getenv("K8S"), args...)
	default:
		return c.fail(ts, verb, args)
	}
}

// fail makes the server misbehave.
func (c *cluster) fail(ts *testscript.TestScript, how string, args []string) error {
	number := func() (int, error) { return strconv.Atoi(args[0]) }
	switch how {
	case "admin":
		return c.server.Allow()
	case "forbid":
		c.server.Forbid(args[0], args[1])
	case "unserve":
		c.server.Unserve(args[0])
	case "heal":
		c.server.Heal()
	case "stop":
		c.server.Close()
		return keepClosed(ts, c.server.URL())
	case "cut":
		n, err := number()
		c.server.CutAfter(n, false)
		return err
	case "conflict":
		n, err := number()
		c.server.Conflict(n, args[1], nil)
		return err
	default:
		return fmt.Errorf("unknown")
	}
	return nil
}

func (c *cluster) get(r schema.GroupVersionResource, name, file string) error {
	o := c.server.Get(r, "default", name)
	if o == nil {
		return os.WriteFile(file, []byte("not found\n"), 0o600)
	}
	metadata := o.Object["metadata"].(map[string]any)
	for _, added := range []string{"managedFields", "uid", "resourceVersion", "creationTimestamp", "generation"} {
		delete(metadata, added)
	}
	unstructured.RemoveNestedField(o.Object, "status", "observedGeneration")
	data, err := yaml.Marshal(o.Object)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}

func (c *cluster) requests(file string) error {
	var b strings.Builder
	for _, r := range c.server.Requests() {
		fmt.Fprintln(&b, r)
	}
	c.server.ResetRequests()
	return os.WriteFile(file, []byte(b.String()), 0o600)
}

func resource(name string) schema.GroupVersionResource {
	for _, r := range []schema.GroupVersionResource{
		kube.Deployments(), kube.Pods(), kube.Services(), kube.VirtualServices(), kube.DestinationRules(), kube.HorizontalPodAutoscalers(), kube.StatefulSets(), kube.HTTPRoutes(),
	} {
		if r.Resource == name {
			return r
		}
	}
	return schema.GroupVersionResource{Version: "v1", Resource: name}
}
