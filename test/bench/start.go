package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/test/labtest"
)

const startRuns = 3

// benchStart measures a lab from nothing to the first 200 of v1 through the
// router, and what it then holds in memory.
func benchStart(ctx context.Context) error {
	var ups, firsts []time.Duration
	var memory string
	for range startRuns {
		start := time.Now()
		lab, err := labtest.Up(ctx)
		if err != nil {
			return err
		}
		ups = append(ups, time.Since(start))
		if err := firstAnswer(ctx, lab); err != nil {
			return err
		}
		firsts = append(firsts, time.Since(start))
		if memory, err = residentMemory(ctx, lab); err != nil {
			return err
		}
		if err := lab.Down(ctx); err != nil {
			return err
		}
	}
	fmt.Printf("\n### The lab from an empty state directory, %d runs\n\n| what | median |\n|---|---|\n", startRuns)
	fmt.Printf("| `canary-lab up` until it says it is ready | %.1f s |\n", median(ups).Seconds())
	fmt.Printf("| ... `kubectl apply -f k8s/base`, until the first 200 of v1 through the router | %.1f s |\n", median(firsts).Seconds())
	fmt.Printf("| resident memory of all its processes, two Pods included | %s |\n", memory)
	return nil
}

func firstAnswer(ctx context.Context, lab *labtest.Lab) error {
	if err := shAll(ctx, lab, "kubectl apply -f k8s/base"); err != nil {
		return err
	}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, lab.Router+"/version", nil)
		if err != nil {
			return err
		}
		req.Host = "versioned-echo"
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// residentMemory sums the proportional set sizes, so that pages which several
// processes share count once.
func residentMemory(ctx context.Context, lab *labtest.Lab) (string, error) {
	root, err := lab.PID(ctx)
	if err != nil {
		return "", err
	}
	rss, pss := 0, 0
	for _, pid := range descendants(root) {
		rss += field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Rss:")
		pss += field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
	}
	return fmt.Sprintf("%d MB (RSS; %d MB when shared pages count once)", rss/1024, pss/1024), nil
}

// descendants are the process and all its children, by /proc.
func descendants(root int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, path := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent := field(path, "PPid:")
		children[parent] = append(children[parent], pid)
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// field reads one number of a "Name: value unit" file.
func field(path, name string) int {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0 // the process has gone
	}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	return 0
}
