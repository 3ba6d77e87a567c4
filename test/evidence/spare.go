package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/canaryctl/canaryctl/test/labtest"
)

// spare records releases whose two versions both fail 1% of their requests, by
// both sources at once, cuts what was recorded into runs, and has each analysed by
// itself.
func spare(ctx context.Context, lab *labtest.Lab, p plan) error {
	dir, err := os.MkdirTemp("", "evidence")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var trials []labtest.Trial
	for n := range p.releases {
		t := labtest.Trial{Namespace: fmt.Sprintf("good-%d", n), Stable: "FAULT_ERROR_SHARE=0.01", Weight: 10}
		if err := begin(ctx, lab, t); err != nil {
			return err
		}
		trials = append(trials, t)
	}
	if err := observe(ctx, lab, p, trials, dir); err != nil {
		return err
	}
	fmt.Printf("\n### Good canaries: %.0f requests/s to each, 10%% to the canary, both versions fail 1%%\n\n| counts from | runs of %s | fail | inconclusive | pass | requests of the canaries | failed | of stable | failed |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n", p.rate, p.run)
	for _, source := range sources() {
		var all tally
		for _, t := range trials {
			if err := all.judge(ctx, lab, recording(dir, t, source), p); err != nil {
				return err
			}
		}
		fmt.Printf("| %s | %d | %d | %d | %d | %d | %d | %d | %d |\n", source, all.runs,
			all.verdicts["fail"], all.verdicts["inconclusive"], all.verdicts["pass"],
			all.canary.Requests, all.canary.Bad, all.stable.Requests, all.stable.Bad)
	}
	return nil
}

func recording(dir string, t labtest.Trial, source string) string {
	return filepath.Join(dir, t.Namespace+"-"+source+".jsonl")
}

// observe lets traffic flow to all trials and records it. A little more than what
// is needed, because the first and the last interval of a recording are short.
func observe(ctx context.Context, lab *labtest.Lab, p plan, trials []labtest.Trial, dir string) error {
	long := time.Duration(p.rounds)*p.run + 10*time.Second
	fmt.Fprintf(os.Stderr, "%d good canaries for %s\n", len(trials), long)
	var recordings []func() error
	for _, t := range trials {
		traffic := lab.Send(ctx, t.Host(), p.rate)
		defer func() { _, _ = traffic.Stop() }() // what became of it is what was recorded
		for _, source := range sources() {
			recordings = append(recordings, func() error {
				return record(ctx, lab, t, source, recording(dir, t, source), long)
			})
		}
	}
	return atOnce(recordings)
}

// record is an analyze -w that is interrupted after a time.
func record(ctx context.Context, lab *labtest.Lab, t labtest.Trial, source, file string, long time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	cmd := exec.CommandContext(limited, filepath.Join(lab.Bin, "canaryctl"), "analyze", "-w", "--interval", "1s",
		"--metrics-source", source, "--record", file, "-n", t.Namespace)
	cmd.Env = lab.Env()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if ctx.Err() == nil && errors.As(err, &exit) && exit.ExitCode() == 130 {
		return nil
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return fmt.Errorf("record %s by %s: %w: %s", t.Namespace, source, err, lines[len(lines)-1])
}

// tally is what was said of many runs.
type tally struct {
	runs           int
	verdicts       map[string]int
	stable, canary arm
}

type arm struct{ Requests, Bad int }

func (a *arm) add(b arm) { a.Requests, a.Bad = a.Requests+b.Requests, a.Bad+b.Bad }

// judge has each run of a recording analysed as counts of its own.
func (a *tally) judge(ctx context.Context, lab *labtest.Lab, file string, p plan) error {
	runs, err := cut(file, p)
	if err != nil {
		return err
	}
	for _, run := range runs {
		r, err := lab.Sh(ctx, "canaryctl analyze -o json --counts "+run)
		if err != nil {
			return err
		}
		var v struct {
			Verdict string
			Metrics []struct{ Stable, Canary arm }
		}
		if err := json.Unmarshal([]byte(r.Stdout), &v); err != nil {
			return fmt.Errorf("%s: %w", r, err)
		}
		if a.verdicts == nil {
			a.verdicts = map[string]int{}
		}
		a.runs++
		a.verdicts[v.Verdict]++
		a.stable.add(v.Metrics[0].Stable)
		a.canary.add(v.Metrics[0].Canary)
	}
	return nil
}
