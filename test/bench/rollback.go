package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/canaryctl/canaryctl/test/labtest"
)

const (
	rollbackRuns = 31
	routeName    = "versioned-echo-virtualservice"
)

// contender is one way to bring the route from 50/50 back to 100/0.
type contender struct {
	name  string
	argv  []string
	walls []time.Duration
	calls int64
}

// benchRollback takes the contenders in turns, so that a slow minute of the
// machine is slow for all of them.
func benchRollback(ctx context.Context, lab *labtest.Lab) error {
	patch := `[{"op":"replace","path":"/spec/http/0/route/0/weight","value":100},{"op":"replace","path":"/spec/http/0/route/1/weight","value":0}]`
	kubectl := filepath.Join(lab.Bin, "kubectl")
	contenders := []*contender{
		{name: "canaryctl rollback", argv: []string{filepath.Join(lab.Bin, "canaryctl"), "rollback", "--vs", routeName, "--host", "versioned-echo"}},
		{name: "kubectl patch --type=json", argv: []string{kubectl, "patch", "virtualservice", routeName, "--type=json", "-p", patch}},
		{name: "kubectl apply -f", argv: []string{kubectl, "apply", "-f", filepath.Join(lab.Root, "k8s/base/virtualservice.yaml")}},
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	proxy, err := labtest.NewProxy(lab.Kubeconfig(), dir)
	if err != nil {
		return err
	}
	defer proxy.Close()

	for i := range rollbackRuns + 1 {
		for _, c := range contenders {
			if err := shAll(ctx, lab, "kubectl apply -f k8s/canary/vs-50-50.yaml"); err != nil {
				return err
			}
			if i == 0 { // the first round only counts requests, and warms caches
				proxy.Reset(nil)
				if _, err := timed(ctx, lab, c.argv, proxy.Kubeconfig); err != nil {
					return err
				}
				c.calls = proxy.Calls()
				continue
			}
			wall, err := timed(ctx, lab, c.argv, lab.Kubeconfig())
			if err != nil {
				return err
			}
			c.walls = append(c.walls, wall)
		}
	}
	reference := median(contenders[1].walls)
	fmt.Printf("\n### Rolling back 50/50 to 100/0, %d runs each, in turns\n\n| command | median wall | against kubectl patch | API requests |\n|---|---|---|---|\n", rollbackRuns)
	for _, c := range contenders {
		fmt.Printf("| `%s` | %s | %.2f | %d |\n", c.name, millis(median(c.walls)), float64(median(c.walls))/float64(reference), c.calls)
	}
	return nil
}

func timed(ctx context.Context, lab *labtest.Lab, argv []string, kubeconfig string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(append([]string{}, lab.Env()...), "KUBECONFIG="+kubeconfig)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%v: %w\n%s", argv, err, out)
	}
	return time.Since(start), nil
}
