package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/dynamic"

	"github.com/canaryctl/canaryctl/internal/probe"
	"github.com/canaryctl/canaryctl/test/labtest"
)

// rate is the steady traffic of a run, in requests/s.
const rate = 40

// scene is one release in a namespace of its own, with all that acts on it.
type scene struct {
	script    script
	lab       *labtest.Lab
	namespace string
	dir       string // plan, record, and what the processes said

	api        wire
	prometheus wire
	ledger     ledger
	client     dynamic.Interface // past the faults
	witness    *witness
	traffic    *labtest.Traffic
	metrics    *labtest.Proxy // before Prometheus
	dice       *dice

	mu        sync.Mutex
	processes []*process
	removed   bool      // a fault took Pods away: requests may be lost
	forgotten bool      // a fault took the release out of the route
	calm      time.Time // when all faults were over
	diary     diary
}

// set brings a scene about: v1 answers, traffic flows, a witness looks on.
func set(ctx context.Context, lab *labtest.Lab, sc script, dir string) (_ *scene, err error) {
	s := &scene{script: sc, lab: lab, namespace: sc.name(), dir: dir, dice: newDice(sc.seed), diary: diary{began: time.Now()}}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("set the scene in %s: %w", s.namespace, err), s.clear(context.WithoutCancel(ctx)))
		}
	}()
	if err := os.WriteFile(s.plan(), []byte(sc.plan()), 0o644); err != nil {
		return nil, err
	}
	objects, err := s.objects()
	if err != nil {
		return nil, err
	}
	if err := s.sh(ctx, fmt.Sprintf("kubectl create namespace %[1]s && kubectl label namespace %[1]s istio-injection=enabled && "+
		"kubectl apply -n %[1]s -f %[2]s && kubectl rollout status -n %[1]s deploy/versioned-echo-v1 --timeout=90s", s.namespace, objects)); err != nil {
		return nil, err
	}
	if s.metrics, err = labtest.NewPlainProxy(lab.Prometheus); err != nil {
		return nil, err
	}
	s.metrics.Meddle(s.prometheus.meddle)
	if s.client, err = lab.Client(); err != nil {
		return nil, err
	}
	if s.witness, err = watchRelease(context.WithoutCancel(ctx), s.client, s.namespace); err != nil {
		return nil, err
	}
	if err := s.answered(ctx); err != nil {
		return nil, err
	}
	s.traffic = lab.Send(context.WithoutCancel(ctx), s.host(), rate)
	return s, nil
}

// objects is the folder of those in k8s/base, as the scene has them: a Pod that is slow to
// answer the kubelet, on a machine that many scenes share, stays ready. Users that get no
// answer for that are no one's fault that is looked for here.
func (s *scene) objects() (string, error) {
	base, folder := filepath.Join(s.lab.Root, "k8s", "base"), filepath.Join(s.dir, "objects")
	files, err := os.ReadDir(base)
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		return "", err
	}
	patient := false
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(base, f.Name()))
		if err != nil {
			return "", err
		}
		eager := []byte("failureThreshold: 2\n")
		patient = patient || bytes.Contains(text, eager)
		text = bytes.ReplaceAll(text, eager, []byte("failureThreshold: 30\n"))
		if err := os.WriteFile(filepath.Join(folder, f.Name()), text, 0o644); err != nil {
			return "", err
		}
	}
	if !patient {
		return "", errors.New("no readiness probe of k8s/base is as it was")
	}
	return folder, nil
}

// clear takes the scene away: what runs, and the namespace.
func (s *scene) clear(ctx context.Context) error {
	for _, p := range s.all() {
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	if s.traffic != nil {
		_, _ = s.traffic.Stop() // what became of it was looked at before
	}
	if s.witness != nil {
		s.witness.close()
	}
	if s.metrics != nil {
		_ = s.metrics.Close()
	}
	return s.sh(ctx, "kubectl delete namespace "+s.namespace+" --wait=false")
}

// answered waits until the router knows v1.
func (s *scene) answered(ctx context.Context) error {
	c := probe.Default()
	c.URL, c.Host, c.Rate, c.Count, c.Duration = s.lab.Router+"/version", s.host(), 20, 5, 0
	for begun := time.Now(); ; {
		r, err := probe.Run(ctx, c)
		if err != nil {
			return err
		}
		if r.Current().Recognised() == c.Count {
			return nil
		}
		if time.Since(begun) > 30*time.Second || ctx.Err() != nil {
			return fmt.Errorf("v1 does not answer at %s", s.host())
		}
	}
}

func (s *scene) host() string   { return app + "." + s.namespace }
func (s *scene) plan() string   { return filepath.Join(s.dir, "plan.yaml") }
func (s *scene) record() string { return filepath.Join(s.dir, "record.jsonl") }

// sh runs a line that must succeed, past the faults.
func (s *scene) sh(ctx context.Context, line string) error {
	r, err := s.lab.Sh(ctx, line)
	if err == nil && r.Code != 0 {
		err = errors.New(r.String())
	}
	return err
}

// release begins the release that the script is of.
func (s *scene) release() (*process, error) {
	args := []string{"release", "--image", "versioned-echo:v2", "-f", s.plan()}
	for _, one := range s.script.environment() {
		args = append(args, "--set-env", one)
	}
	return s.start(true, append(args, s.driving()...)...)
}

// resume has another engine go on with it.
func (s *scene) resume(more ...string) (*process, error) {
	return s.start(true, append(append([]string{"resume"}, more...), s.driving()...)...)
}

// driving are the flags of whatever drives.
func (s *scene) driving() []string {
	args := []string{"--record", s.record(), "--metrics-source", s.script.source}
	if s.script.source == fromPrometheus {
		args = append(args, "--prometheus-url", s.metrics.URL)
	}
	return args
}

// person types a command, which may fail, and waits for it.
func (s *scene) person(ctx context.Context, args ...string) (*process, error) {
	p, err := s.start(false, args...)
	if err == nil && !p.wait(ctx) {
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	return p, err
}

func (s *scene) all() []*process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.processes)
}

// engines are those that run.
func (s *scene) engines() []*process {
	return slices.DeleteFunc(s.all(), func(p *process) bool { return !p.engine || !p.alive() })
}

// over reports whether the release is, by what the route says or remembers; or where
// somebody made it forget, by what an engine says.
func (s *scene) over() bool {
	at := s.witness.last()
	if at.Release().ID != "" || len(at.History) > 0 {
		return outcomeOf(at) != ""
	}
	s.mu.Lock()
	forgotten := s.forgotten
	s.mu.Unlock()
	return forgotten && slices.ContainsFunc(s.all(), (*process).saidOver)
}
