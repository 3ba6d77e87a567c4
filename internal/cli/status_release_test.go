package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

// shopRelease puts a release into the shop's route.
func shopRelease(t *testing.T, server *kubetest.Server, release string) {
	t.Helper()
	vs := server.Get(kube.VirtualServices(), "default", "shop")
	vs.SetAnnotations(map[string]string{
		canary.Annotation:     `{"app":"shop","stable":"v1","canary":"v2","release":` + release + `}`,
		canary.PlanAnnotation: `{"apiVersion":"canaryctl.io/v1alpha1","kind":"Plan","spec":{"steps":[{"weight":0,"header":{"name":"x-team","value":"us"}},{"weight":10,"mirror":true},{"weight":25,"min":"5m"},{"weight":50}],"noData":"1m0s","unready":"10s","policy":{"noData":"hold","timeout":"pause","doubt":"hold","foreign":"pause","interrupt":"pause"},"promotion":"switch","analysis":{"tolerance":0.1,"margin":1.5,"alpha":0.01,"promoteAlpha":0.05,"intervalAlpha":0.025,"evidenceCap":10,"dispersion":"auto","onset":true,"onsetIntervals":240,"metrics":[{"name":"errors"}],"pods":{"maxRestarts":2,"unready":"30s","calm":"10m0s"}}}}`,
	})
	server.Put(vs)
}

const shopLease = `
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata:
  name: canaryctl-shop
  annotations:
    canaryctl.io/waits: step 3 of 4 lasts 2m0s more
    canaryctl.io/known: >-
      {"verdict":"inconclusive","why":"not enough yet.","needed":95,
       "metrics":[{"name":"errors","verdict":"inconclusive","stable":{"requests":4800,"bad":10},"canary":{"requests":1200,"bad":3},
       "ratio":1.2,"lower":0.3,"upper":4.1,"logE":0.2,"threshold":3,"logPass":0,"passAt":3}]}
spec: {holderIdentity: ci-runner-7, leaseDurationSeconds: 15, renewTime: "2026-01-01T00:07:58.000000Z"}
`

func TestStatusOfARelease(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 8, 0, 0, time.UTC)
	const step = `"id":"r1","plan":"h","image":"shop:v2","by":"ana","step":2,"weight":25,"started":"2026-01-01T00:00:00Z","since":"2026-01-01T00:05:00Z"`
	for _, test := range []struct {
		name, release string
		lease         string
		now           time.Time
		table, line   string
	}{
		{"driven", `{"phase":"progressing",` + step + `}`, shopLease, now, `
release r1 of shop:v2: progressing, begun 8m0s ago by ana
  steps     x-team: us > 10% mirrored > [25%] > 50% > promotion
  at        step 3 of 4, 25%, since 00:05:00; at least 2m0s more
  waits     step 3 of 4 lasts 2m0s more
  driven    by ci-runner-7, seen 2s ago
  evidence  inconclusive: not enough yet (2s ago)
            errors: canary 3 of 1,200 (0.25%), stable 10 of 4,800 (0.21%); 1.2 times as often, between 0.3 and 4.1
            a decision takes about 1m35s more at this rate`,
			"release r1 progressing, step 3 of 4, driven by ci-runner-7, evidence inconclusive"},
		{"left alone", `{"phase":"progressing",` + step + `}`, strings.ReplaceAll(shopLease, "annotations:", "others:"), now.Add(time.Hour), `
release r1 of shop:v2: progressing, begun 1h8m0s ago by ana
  steps     x-team: us > 10% mirrored > [25%] > 50% > promotion
  at        step 3 of 4, 25%, since 00:05:00
  driven    by nobody: ci-runner-7 was seen last 1h0m2s ago; canaryctl resume goes on`,
			"release r1 progressing, step 3 of 4, driven by nobody"},
		{"given up", `{"phase":"progressing",` + step + `}`, strings.ReplaceAll(shopLease, "holderIdentity: ci-runner-7, ", ""), now, `
release r1 of shop:v2: progressing, begun 8m0s ago by ana
  steps     x-team: us > 10% mirrored > [25%] > 50% > promotion
  at        step 3 of 4, 25%, since 00:05:00; at least 2m0s more
  driven    by nobody: canaryctl resume goes on
  evidence  inconclusive: not enough yet (2s ago)
            errors: canary 3 of 1,200 (0.25%), stable 10 of 4,800 (0.21%); 1.2 times as often, between 0.3 and 4.1`,
			"release r1 progressing, step 3 of 4, driven by nobody, evidence inconclusive"},
		{"begun anew", `{"phase":"preparing","id":"r2","step":-1,"started":"2026-01-01T00:07:59Z","since":"2026-01-01T00:07:59Z"}`, shopLease, now, `
release r2: preparing, begun 1s ago
  steps     x-team: us > 10% mirrored > 25% > 50% > promotion
  at        before its first step, 0%, since 00:07:59
  driven    by ci-runner-7, seen 2s ago`,
			"release r2 preparing, driven by ci-runner-7"},
		{"paused, and asked", `{"phase":"paused","paused":"2026-01-01T00:07:00Z","cause":"doubt","why":"who knows.","wish":"skip",` + step + `}`, "", now, `
release r1 of shop:v2: paused, begun 8m0s ago by ana
  steps     x-team: us > 10% mirrored > [25%] > 50% > promotion
  at        step 3 of 4, 25%, since 00:05:00
  paused    1m0s ago: who knows; canaryctl resume goes on
  asked     to begin the next step
  driven    by nobody: canaryctl resume goes on`,
			"release r1 paused, step 3 of 4: who knows, driven by nobody, asked to begin the next step"},
		{"promoting", `{"phase":"promoting","basis":"proved",` + step + `}`, "", now, `
release r1 of shop:v2: promoting, begun 8m0s ago by ana
  steps     x-team: us > 10% mirrored > 25% > 50% > [promotion]
  at        its promotion, 25%, since 00:05:00
  driven    by nobody: canaryctl resume goes on`,
			"release r1 promoting, in its promotion, driven by nobody"},
		{"preparing", `{"phase":"preparing","id":"r1","step":-1,"started":"2026-01-01T00:07:00Z","since":"2026-01-01T00:07:00Z"}`, "", now, `
release r1: preparing, begun 1m0s ago
  steps     x-team: us > 10% mirrored > 25% > 50% > promotion
  at        before its first step, 0%, since 00:07:00
  driven    by nobody: canaryctl resume goes on`,
			"release r1 preparing, driven by nobody"},
		{"over", `{"phase":"rolled-back","why":"harm",` + step + `}`, shopLease, now,
			"\nlast release r1 of shop:v2, begun by ana: rolled back: harm, 3m0s ago", "release r1 rolled-back: harm"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, server, _, _ := newStatus(t)
			shopRelease(t, server, test.release)
			if test.lease != "" {
				if err := server.Load(test.lease); err != nil {
					t.Fatal(err)
				}
			}
			o.f.Clock = clocktesting.NewFakeClock(test.now)
			report, err := o.gather(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimPrefix(test.table, "\n"), releaseStatus{report.Release}.table(report.At)); diff != "" {
				t.Errorf("table (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.line, releaseStatus{report.Release}.line()); diff != "" {
				t.Errorf("line (-want +got):\n%s", diff)
			}
		})
	}
}

// What cannot be read is said, and hides nothing else.
func TestStatusOfAReleaseInPart(t *testing.T) {
	o, server, _, _ := newStatus(t)
	shopRelease(t, server, `{"phase":"progressing","id":"r1","step":1,"weight":10,"started":"2026-01-01T00:00:00Z","since":"2026-01-01T00:00:00Z"}`)
	server.Forbid("get", "leases")
	report, err := o.gather(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	text := releaseStatus{report.Release}.table(report.At)
	for _, want := range []string{"10% mirrored", "unknown   read Lease default/canaryctl-shop, which says who drives the release"} {
		if !strings.Contains(text, want) {
			t.Errorf("shown:\n%s\nwant: %s", text, want)
		}
	}
	if strings.Contains(text, "nobody") {
		t.Errorf("it cannot know that nobody drives it:\n%s", text)
	}
}
