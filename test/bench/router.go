package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/test/labtest"
)

const (
	routerRuns = 3
	routerLoad = "5s"
)

// throughput is what wrk says of one run.
type throughput struct{ rate, p99 float64 } // requests/s, ms

// benchRouter loads the lab's router and Debian's nginx in turns; both proxy to
// the same two Pods' processes at 50/50.
func benchRouter(ctx context.Context, lab *labtest.Lab) error {
	if err := shAll(ctx, lab,
		"kubectl scale deploy/versioned-echo-v1 deploy/versioned-echo-v2 --replicas=1",
		"kubectl rollout status deploy/versioned-echo-v1", "kubectl rollout status deploy/versioned-echo-v2",
		"kubectl apply -f k8s/canary/vs-50-50.yaml"); err != nil {
		return err
	}
	upstreams, err := podAddresses(ctx, lab)
	if err != nil {
		return err
	}
	nginx, stop, err := startNginx(ctx, upstreams)
	if err != nil {
		return err
	}
	defer stop()
	var router, reference []throughput
	for range routerRuns {
		for target, into := range map[string]*[]throughput{lab.Router: &router, nginx: &reference} {
			t, err := load(ctx, target)
			if err != nil {
				return err
			}
			*into = append(*into, t)
		}
	}
	r, n := best(router), best(reference)
	fmt.Printf("\n### The router, wrk with 2 threads and 32 connections for %s, best of %d, in turns\n\n", routerLoad, routerRuns)
	fmt.Printf("| proxy | requests/s | p99 | against nginx |\n|---|---|---|---|\n")
	fmt.Printf("| the lab's router | %.0f | %.1f ms | %.2f |\n| nginx | %.0f | %.1f ms | 1.00 |\n", r.rate, r.p99, r.rate/n.rate, n.rate, n.p99)
	return nil
}

// podAddresses asks the Pods where their processes really listen.
func podAddresses(ctx context.Context, lab *labtest.Lab) ([]string, error) {
	var out []string
	for _, d := range []string{"versioned-echo-v1", "versioned-echo-v2"} {
		r, err := lab.Sh(ctx, "kubectl exec deploy/"+d+" -c versioned-echo -- sh -c 'echo $HOST:$PORT'")
		if err != nil {
			return nil, err
		}
		if r.Code != 0 {
			return nil, fmt.Errorf("%s", r)
		}
		out = append(out, strings.TrimSpace(r.Stdout))
	}
	return out, nil
}

func startNginx(ctx context.Context, upstreams []string) (address string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "nginx")
	if err != nil {
		return "", nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	listen := l.Addr().String()
	l.Close()
	config := fmt.Sprintf(`
daemon off; worker_processes 2; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  upstream pods { server %[2]s; server %[3]s; keepalive 64; }
  server {
    listen %[4]s;
    location / { proxy_pass http://pods; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}`, dir, upstreams[0], upstreams[1], listen)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, "nginx", "-c", path, "-p", dir)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait(); _ = os.RemoveAll(dir) }
	for {
		if conn, err := net.Dial("tcp", listen); err == nil {
			conn.Close()
			return "http://" + listen, stop, nil
		}
		select {
		case <-ctx.Done():
			stop()
			return "", nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// load runs wrk once. Answers other than 2xx make the figure worthless.
func load(ctx context.Context, target string) (throughput, error) {
	cmd := exec.CommandContext(ctx, "wrk", "-t2", "-c32", "-d"+routerLoad, "--latency", "-H", "Host: versioned-echo", target+"/version")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return throughput{}, fmt.Errorf("wrk: %w\n%s", err, &out)
	}
	if bytes.Contains(out.Bytes(), []byte("Non-2xx")) {
		return throughput{}, fmt.Errorf("wrk got errors from %s:\n%s", target, &out)
	}
	rate := regexp.MustCompile(`Requests/sec:\s+([\d.]+)`).FindSubmatch(out.Bytes())
	p99 := regexp.MustCompile(`99%\s+([\d.]+)(us|ms|s)`).FindSubmatch(out.Bytes())
	if rate == nil || p99 == nil {
		return throughput{}, fmt.Errorf("wrk printed no figures:\n%s", &out)
	}
	r, err := strconv.ParseFloat(string(rate[1]), 64)
	if err != nil {
		return throughput{}, err
	}
	latency, err := time.ParseDuration(string(p99[1]) + string(p99[2]))
	return throughput{rate: r, p99: float64(latency) / 1e6}, err
}

func best(all []throughput) throughput {
	b := all[0]
	for _, t := range all {
		if t.rate > b.rate {
			b = t
		}
	}
	return b
}

func checkTools(names ...string) error {
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%s is needed and not installed: apt-get install %s", name, strings.Join(names, " "))
		}
	}
	return nil
}
