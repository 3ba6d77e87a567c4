package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/canaryctl/canaryctl/internal/stats"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service answers like a split application, without a network, so that the
// tests run in synctest's time.
type service struct {
	takes   time.Duration
	version func(i int) string // of the i-th request
	code    func(i int) int
	asked   atomic.Int64
}

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	i := int(s.asked.Add(1)) - 1
	select {
	case <-time.After(s.takes):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	code := http.StatusOK
	if s.code != nil {
		code = s.code(i)
	}
	body := `{"version":"` + s.version(i) + `"}`
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func always(version string) func(int) string { return func(int) string { return version } }

func configure(s *service, change func(*Config)) Config {
	c := Default()
	c.URL = "http://echo/version"
	c.Transport = s
	change(&c)
	return c
}

func probe(t *testing.T, s *service, change func(*Config)) Result {
	t.Helper()
	r, err := Run(t.Context(), configure(s, change))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRunCountsWhatAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenth := &service{takes: 5 * time.Millisecond,
			version: func(i int) string {
				if i%10 == 0 {
					return "v2"
				}
				return "v1"
			},
			code: func(i int) int {
				if i%20 == 0 {
					return 503
				}
				return 200
			},
		}
		r := probe(t, tenth, func(c *Config) {
			c.Count = 100
			c.Weights = func(context.Context) (map[string]float64, error) { return map[string]float64{"v1": 90, "v2": 10}, nil }
		})

		if r.Sent != 100 || r.Skipped != 0 || len(r.Phases) != 1 {
			t.Fatalf("sent %d, skipped %d, %d phases", r.Sent, r.Skipped, len(r.Phases))
		}
		type row struct {
			Name     string
			Weight   float64
			Requests int
			Errors   int
			Share    float64
			Codes    map[string]int
		}
		var got []row
		for _, v := range r.Current().Versions {
			got = append(got, row{v.Name, *v.Weight, v.Requests, v.Errors, v.Share, v.Codes})
			if !v.Interval.Contains(v.Share) {
				t.Errorf("%s: interval %v does not hold %v", v.Name, v.Interval, v.Share)
			}
			if p := time.Duration(v.Latency.P50); p < 4900*time.Microsecond || p > 5100*time.Microsecond {
				t.Errorf("%s: p50 %s, want 5ms within 2%%", v.Name, p)
			}
		}
		want := []row{
			{"v1", 90, 90, 0, .9, map[string]int{"200": 90}},
			{"v2", 10, 10, 5, .1, map[string]int{"200": 5, "503": 5}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("versions (-want +got):\n%s", diff)
		}
	})
}

func TestSlowAnswersDoNotLowerTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r := probe(t, &service{takes: 3 * time.Second, version: always("v1")}, func(c *Config) {
			c.Rate, c.Duration, c.Concurrency = 10, 2*time.Second, 50
		})
		if r.Sent != 20 || r.Skipped != 0 {
			t.Errorf("sent %d, skipped %d: want 20 in 2s at 10/s", r.Sent, r.Skipped)
		}
		if took := time.Since(start); took != 4900*time.Millisecond {
			t.Errorf("took %s, want 4.9s: the last is sent at 1.9s and answered 3s later", took)
		}
	})
}

func TestRequestsBeyondTheConcurrencyAreSkippedAndSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := probe(t, &service{takes: 950 * time.Millisecond, version: always("v1")}, func(c *Config) {
			c.Rate, c.Duration, c.Concurrency = 10, 2*time.Second, 4
		})
		if r.Sent != 8 || r.Skipped != 12 {
			t.Errorf("sent %d, skipped %d: want 4 a second sent of 10", r.Sent, r.Skipped)
		}
	})
}

func TestNewWeightsBeginANewPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		fails := false
		var progress []int
		r := probe(t, &service{version: always("v1")}, func(c *Config) {
			c.Rate, c.Duration = 10, 10*time.Second
			c.Weights = func(context.Context) (map[string]float64, error) {
				switch since := time.Since(start); {
				case since >= 8*time.Second:
					fails = true
					return nil, errors.New("API server is gone")
				case since >= 3500*time.Millisecond:
					return map[string]float64{"v1": 70, "v2": 30}, nil
				}
				return map[string]float64{"v1": 90, "v2": 10}, nil
			}
			c.Progress = func(r Result) { progress = append(progress, len(r.Phases)) }
			c.ProgressEvery = 2500 * time.Millisecond
		})
		if !fails || len(r.Phases) != 2 {
			t.Fatalf("%d phases, want 2: weights that cannot be read are those we know", len(r.Phases))
		}
		first, second := r.Phases[0], r.Phases[1]
		if got := time.Duration(first.Elapsed); got != 4*time.Second {
			t.Errorf("first phase took %s, want 4s: weights are read every second", got)
		}
		if got := first.Recognised() + second.Recognised(); got != 100 {
			t.Errorf("phases have %d answers, want all 100", got)
		}
		if v2 := second.Versions[1]; v2.Name != "v2" || *v2.Weight != 30 || v2.Requests != 0 {
			t.Errorf("second phase has %+v, want v2 with weight 30 and no answer", v2)
		}
		if diff := cmp.Diff([]int{1, 2, 2}, progress); diff != "" {
			t.Errorf("phases at each progress (-want +got):\n%s", diff)
		}
	})
}

func TestInterruptLeavesRequestsInFlightOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 950*time.Millisecond)
		defer cancel()
		r, err := Run(ctx, configure(&service{takes: 300 * time.Millisecond, version: always("v1")},
			func(c *Config) { c.Rate, c.Duration = 10, 0 }))
		if err != nil {
			t.Fatal(err)
		}
		if r.Sent != 10 || r.Current().Recognised() != 7 || r.Current().Failed() != 0 {
			t.Errorf("sent %d, answered %d, failed %d: want 10, 7, 0", r.Sent, r.Current().Recognised(), r.Current().Failed())
		}
	})
}

func TestRequestsAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := probe(t, &service{takes: time.Hour, version: always("v1")}, func(c *Config) {
			c.Count, c.Timeout = 3, time.Second
		})
		if diff := cmp.Diff(map[string]int{"given up": 3}, r.Current().Failures); diff != "" {
			t.Errorf("failures (-want +got):\n%s", diff)
		}
	})
}

func TestNothingIsSentWithoutWeights(t *testing.T) {
	s := &service{version: always("v1")}
	_, err := Run(t.Context(), configure(s, func(c *Config) {
		c.Weights = func(context.Context) (map[string]float64, error) { return nil, errors.New("no such route") }
	}))
	if err == nil || s.asked.Load() != 0 {
		t.Errorf("error %v after %d requests, want one before the first", err, s.asked.Load())
	}
}

func TestValidateNamesEveryMistake(t *testing.T) {
	c := Config{URL: "versioned-echo/version", Rate: 1e6, Duration: -1, Count: -1, Concurrency: 0}
	_, err := Run(t.Context(), c)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`URL "versioned-echo/version"`, "rate 1e+06", "duration -1ns", "count -1", "concurrency 0", "timeout 0s"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not name %s", err, want)
		}
	}
}

// The JSON is a contract with scripts: times in seconds, flat versions.
func TestResultAsJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := probe(t, &service{takes: 10 * time.Millisecond, version: always("v1")}, func(c *Config) { c.Count = 1 })
		r.Phases[0].Start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		r.Phases[0].Versions[0].Interval = stats.Interval{Low: .025, High: 1}
		var got bytes.Buffer
		if err := json.NewEncoder(&got).Encode(r); err != nil {
			t.Fatal(err)
		}
		const want = `{"url":"http://echo/version","elapsedSeconds":0.01,"sent":1,"skipped":0,"phases":[` +
			`{"start":"2026-01-02T03:04:05Z","elapsedSeconds":0.01,"versions":[` +
			`{"version":"v1","share":1,"interval95":{"low":0.025,"high":1},"requests":1,"errors":0,"broken":0,"givenUp":0,"codes":{"200":1},` +
			`"latencySeconds":{"p50":0.010078,"p95":0.010078,"p99":0.010078}}]}]}` + "\n"
		if diff := cmp.Diff(want, got.String()); diff != "" {
			t.Errorf("JSON (-want +got):\n%s", diff)
		}
	})
}
