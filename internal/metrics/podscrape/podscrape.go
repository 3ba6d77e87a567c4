// Package podscrape reads the metrics of both versions' Pods where there is no
// Prometheus: /metrics of each Pod, through the API server's proxy, so that a
// person's permissions decide and nothing has to be installed.
package podscrape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/metrics"
)

// Config says what to read.
type Config struct {
	Profile metrics.Profile
	Release metrics.Release
	// Port and Path of the metrics; empty asks each Pod's annotations
	// prometheus.io/port and prometheus.io/path, and then means the first port of
	// its containers and /metrics. A sidecar's merged metrics are at 15020
	// /stats/prometheus, which Istio writes into the annotations.
	Port, Path string
	// MaxGap, WarmUp and Within are as in metrics.DifferConfig.
	MaxGap, WarmUp, Within time.Duration
	Guard                  metrics.GuardConfig
	// Now is the clock; nil is the real one.
	Now func() time.Time
}

const (
	atOnce  = 8        // Pods read at the same time
	maxBody = 32 << 20 // what a Pod may answer, in bytes
)

// accept asks for the protobuf form first: only it carries native histograms.
const accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.9," +
	"application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.4"

// Scraper reads one release. It is not safe for concurrent use.
type Scraper struct {
	client *kube.Client
	config Config
	guard  *metrics.Guard
	meters []*metrics.Meter // made by the first reading
	open   *metrics.OpenMeter
	gauges []string
	listed []corev1.Pod // the last time
}

// New prepares a Scraper, a metrics.Stream. It sends no request.
func New(client *kube.Client, c Config) *Scraper {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Guard.Attempts == 0 {
		c.Guard = metrics.DefaultGuard()
	}
	s := &Scraper{client: client, config: c, guard: metrics.NewGuard(c.Guard)}
	s.want(c.Profile)
	return s
}

// want has the gauges of a profile read, too.
func (s *Scraper) want(p metrics.Profile) {
	for _, g := range p.OfPods().Gauges() {
		s.gauges = append(s.gauges, g.Names...)
	}
}

// Next implements metrics.Stream: it reads every Pod once. The first reading is
// only where to count from.
func (s *Scraper) Next(ctx context.Context) ([]metrics.Interval, error) {
	points, err := s.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the metrics of %s's Pods: %w", s.config.Release.App, err)
	}
	var intervals []metrics.Interval
	for _, m := range s.meters {
		intervals = append(intervals, m.Read(points)...)
	}
	if s.open != nil {
		intervals = append(intervals, s.open.Read(points)...)
	}
	if err := metrics.NoData(s.meters...); err != nil {
		return nil, fmt.Errorf("read the metrics of %s's Pods: %w", s.config.Release.App, err)
	}
	return intervals, nil
}

// Prompt says that it reads the counters when it is asked.
func (s *Scraper) Prompt() bool { return true }

// read reads all Pods. They all get one time, so that an interval ends when all
// have answered; one that did not makes it last until it does, or is gone.
func (s *Scraper) read(ctx context.Context) ([]metrics.Point, error) {
	var pods []corev1.Pod
	err := s.guard.Do(ctx, func(ctx context.Context) (err error) {
		pods, err = s.pods(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(pods) == 0 {
		return nil, s.noPods()
	}
	at := s.config.Now()
	if err := s.begin(at); err != nil {
		return nil, err
	}
	s.leave(pods)
	points, errs := s.scrapeAll(ctx, pods, at)
	if len(errs) == len(pods) {
		return nil, fmt.Errorf("%w: none of %d Pods answered; the first: %w", metrics.ErrUnavailable, len(pods), errs[0])
	}
	return points, nil
}

func (s *Scraper) noPods() error {
	r := s.config.Release
	return fmt.Errorf("%w: no Pod runs in namespace %s that is %s's, of version %s",
		metrics.ErrNoData, r.Namespace, r.App, strings.Join(r.Versions(), " or "))
}

// leave tells of the Pods that are there no more.
func (s *Scraper) leave(pods []corev1.Pod) {
	for _, old := range s.listed {
		if slices.ContainsFunc(pods, func(p corev1.Pod) bool { return p.Name == old.Name }) {
			continue
		}
		for _, m := range s.meters {
			m.Leave(old.Namespace, old.Name)
		}
		if s.open != nil {
			s.open.Leave(old.Namespace, old.Name)
		}
	}
	s.listed = pods
}

func (s *Scraper) begin(at time.Time) error {
	if s.meters != nil {
		return nil
	}
	var meters []*metrics.Meter
	config := metrics.DifferConfig{Release: s.config.Release, MaxGap: s.config.MaxGap, WarmUp: s.config.WarmUp, Within: s.config.Within}
	for _, metric := range []string{metrics.MetricErrors, metrics.MetricLatency} {
		config.Metric, config.Before = metric, metric == metrics.MetricLatency
		m, err := metrics.NewMeter(s.config.Profile, config, at)
		if err != nil {
			return err
		}
		meters = append(meters, m)
	}
	var err error
	if s.open, err = metrics.NewOpenMeter(s.config.Profile.OfPods(), config, at); err != nil {
		return err
	}
	s.meters = meters
	return nil
}

// selector selects the Pods of both versions, and perhaps a few more.
func (s *Scraper) selector() string {
	r := s.config.Release
	if common := r.Backends.Only(r.Versions()...).Common(); len(common) > 0 {
		return labels.Set(common).String()
	}
	return fmt.Sprintf("app=%s,version in (%s)", r.App, strings.Join(r.Versions(), ","))
}

// versionOf is that of a Pod, or "" of one that requests for the versions do not reach.
func (s *Scraper) versionOf(pod *corev1.Pod) string {
	r := s.config.Release
	version := pod.Labels["version"]
	if len(r.Backends) > 0 {
		version, _ = r.Backends.VersionOf(pod.Labels)
	}
	if !slices.Contains(r.Versions(), version) {
		return ""
	}
	return version
}

// pods lists the running Pods of both versions.
func (s *Scraper) pods(ctx context.Context) ([]corev1.Pod, error) {
	r := s.config.Release
	list, err := s.client.Resource(kube.Pods()).Namespace(r.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: s.selector(),
	})
	switch {
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return nil, fmt.Errorf("list Pods: %w", err) // waiting does not help
	case err != nil:
		return nil, fmt.Errorf("%w: list Pods: %w", metrics.ErrUnavailable, err)
	}
	pods := make([]corev1.Pod, 0, len(list.Items))
	for i := range list.Items {
		var pod corev1.Pod
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(list.Items[i].Object, &pod); err != nil {
			return nil, fmt.Errorf("read Pod %s: %w", list.Items[i].GetName(), err)
		}
		if pod.Status.Phase == corev1.PodRunning && s.versionOf(&pod) != "" {
			pods = append(pods, pod)
		}
	}
	slices.SortFunc(pods, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods, nil
}

// scrapeAll reads Pods side by side, and returns what failed in order of name.
func (s *Scraper) scrapeAll(ctx context.Context, pods []corev1.Pod, at time.Time) (points []metrics.Point, errs []error) {
	var (
		all    = make([][]metrics.Point, len(pods))
		failed = make([]error, len(pods))
		slots  = make(chan struct{}, atOnce)
		wait   sync.WaitGroup
	)
	for i := range pods {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			all[i], failed[i] = s.scrape(ctx, &pods[i], at)
		})
	}
	wait.Wait()
	for i := range pods {
		if failed[i] != nil {
			errs = append(errs, fmt.Errorf("pod %s: %w", pods[i].Name, failed[i]))
		}
	}
	return slices.Concat(all...), errs
}

func (s *Scraper) scrape(ctx context.Context, pod *corev1.Pod, at time.Time) ([]metrics.Point, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Guard.Deadline)
	defer cancel()
	server, _, err := rest.DefaultServerUrlFor(s.client.REST)
	if err != nil {
		return nil, fmt.Errorf("address of the API server: %w", err)
	}
	port, path := s.where(pod)
	where := server.JoinPath("api/v1/namespaces", pod.Namespace, "pods", pod.Name+":"+port, "proxy", path)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accept)
	response, err := s.client.HTTP.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("port %s%s answered %s", port, path, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxBody {
		return nil, errors.New("its metrics are longer than 32 MiB")
	}
	points, err := decode(body, response.Header, s.gauges)
	if err != nil {
		return nil, err
	}
	version := s.versionOf(pod)
	for i := range points {
		p := &points[i]
		p.At, p.Version, p.Pod = at, version, pod.Name
		// What a scraping Prometheus would add: which Pod it was.
		p.Labels["namespace"], p.Labels["pod"] = pod.Namespace, pod.Name
	}
	return points, nil
}

// where the metrics are: as told, as annotated, or at the first port.
func (s *Scraper) where(pod *corev1.Pod) (port, path string) {
	port, path = s.config.Port, s.config.Path
	if port == "" {
		port = pod.Annotations["prometheus.io/port"]
	}
	for i := 0; port == "" && i < len(pod.Spec.Containers); i++ {
		if ports := pod.Spec.Containers[i].Ports; len(ports) > 0 {
			port = fmt.Sprint(ports[0].ContainerPort)
		}
	}
	if path == "" {
		path = pod.Annotations["prometheus.io/path"]
	}
	if path == "" {
		path = "/metrics"
	}
	return port, path
}
