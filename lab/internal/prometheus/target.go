package prometheus

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// endpoint is something to scrape, and how it was found.
type endpoint struct {
	pool       string // such as serviceMonitor/default/web/0
	url        string // nominal; empty for a handler
	handler    http.Handler
	labels     labels.Labels // job, instance, namespace, ...
	discovered map[string]string
	interval   time.Duration
	honor      bool // honorLabels: the target's own labels win
}

// key tells endpoints apart.
func (e *endpoint) key() string { return e.pool + "\x00" + e.url + "\x00" + e.labels.String() }

// target is an endpoint with its scrape loop's state.
type target struct {
	endpoint
	cancel context.CancelFunc

	mu       sync.Mutex
	last     time.Time
	took     time.Duration
	err      error
	scraped  bool
	cache    map[string]*cached // by the series as the target writes it
	round    uint64
	own      []*series // up and its kin
	metadata map[string]metadata
}

// cached is where the samples of an exposed series go.
type cached struct {
	series *series
	round  uint64 // of the last scrape that had it
}

// metadata is what a target says about a metric.
type metadata struct {
	Type string `json:"type"`
	Help string `json:"help"`
	Unit string `json:"unit"`
}

// accept asks for the protobuf form first, because only it carries native
// histograms.
const accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6," +
	"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5," +
	"application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3," +
	"text/plain;version=0.0.4;q=0.2,*/*;q=0.1"

// maxScrape is the most that a target may send.
const maxScrape = 32 << 20

// fetch reads what the target exposes.
func (t *target) fetch(ctx context.Context, client *http.Client) (body []byte, contentType string, err error) {
	url := t.url
	if t.handler != nil {
		url = "http://in-process/metrics"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, "", fmt.Errorf("scrape %s: %w", url, err)
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", "canary-lab-prometheus")
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", fmt.Sprint(t.timeout().Seconds()))
	if t.handler != nil {
		answer := &memoryResponse{header: http.Header{}, code: http.StatusOK}
		t.handler.ServeHTTP(answer, req)
		return answer.body.Bytes(), answer.header.Get("Content-Type"), statusError(answer.code)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, "", fmt.Errorf("scrape: %w", err)
	}
	defer res.Body.Close()
	body, err = readLimited(res.Body, maxScrape)
	if bad := statusError(res.StatusCode); bad != nil {
		err = bad
	}
	return body, res.Header.Get("Content-Type"), err
}

func statusError(code int) error {
	if code != http.StatusOK {
		return fmt.Errorf("server returned HTTP status %d %s", code, http.StatusText(code))
	}
	return nil
}

// timeout leaves a slow target a little longer than the lab's short interval,
// as a person would set it; a scrape never overlaps the next of its own target.
func (t *target) timeout() time.Duration { return max(t.interval, 2*time.Second) }

// memoryResponse is what a handler of this process answers.
type memoryResponse struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (m *memoryResponse) Header() http.Header         { return m.header }
func (m *memoryResponse) WriteHeader(code int)        { m.code = code }
func (m *memoryResponse) Write(p []byte) (int, error) { return m.body.Write(p) }
