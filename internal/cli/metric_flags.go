package cli

import (
	"cmp"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/planfile"
)

// metricFlags say which metrics to read: those of a built-in profile, of a file of
// profiles, or named one by one.
type metricFlags struct {
	profile, file string
	grpcFailed    string
	custom        metrics.Custom
}

// statuses are the gRPC statuses that count as failed; nil for those of the profile.
func (m *metricFlags) statuses() ([]string, error) {
	if m.grpcFailed == "" {
		return nil, nil
	}
	statuses := []string{}
	for text := range strings.SplitSeq(m.grpcFailed, ",") {
		if text = strings.TrimSpace(text); text == noStatus && m.grpcFailed == text {
			break
		}
		status, err := metrics.ParseFailedStatus(text)
		if err != nil {
			return nil, hint.Wrap(usagef("--grpc-failed: %w", err), "for example --grpc-failed Unavailable,Internal or --grpc-failed 14,13; none for none")
		}
		statuses = append(statuses, status)
	}
	return statuses, nil
}

// orFailed takes the statuses of a plan where no flag names any.
func (m *metricFlags) orFailed(statuses []planfile.GRPCStatus) {
	if m.grpcFailed != "" || statuses == nil {
		return
	}
	names := make([]string, len(statuses))
	for i, status := range statuses {
		names[i] = string(status)
	}
	m.grpcFailed = cmp.Or(strings.Join(names, ","), noStatus)
}

// noStatus is how the flag says that no status counts as failed.
const noStatus = "none"

func (m *metricFlags) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&m.profile, "profile", "", "names of the metrics: istio, app, ... (default: the first that has any)")
	flags.StringVar(&m.file, "profile-file", "", "file of profiles to use instead of the built-in ones")
	flags.StringVar(&m.grpcFailed, "grpc-failed", "", "gRPC statuses that count as failed, by name or number (default: "+strings.Join(metrics.DefaultGRPCFailed(), ",")+")")
	flags.StringVar(&m.custom.Total, "metric-total", "", "counter of all requests, as a selector of PromQL; goes with --metric-bad")
	flags.StringVar(&m.custom.Good, "metric-good", "", "counter of the requests that did not fail, in the place of --metric-total")
	flags.StringVar(&m.custom.Bad, "metric-bad", "", "counter of the requests that failed")
	flags.StringVar(&m.custom.Latency, "metric-latency", "", "histogram of latencies, without _bucket")
}

// names are those of the flags.
func (m *metricFlags) names() []string {
	return []string{"profile", "profile-file", "grpc-failed", "metric-total", "metric-good", "metric-bad", "metric-latency"}
}

// chosen reports whether a person said which metrics; else each that there may be
// is tried.
func (m *metricFlags) chosen() bool { return *m != metricFlags{grpcFailed: m.grpcFailed} }

// profiles are those to try, the preferred first. Errors are those of usage.
func (m *metricFlags) profiles() ([]metrics.Profile, error) {
	all, err := m.named()
	if err != nil {
		return nil, err
	}
	statuses, err := m.statuses()
	if err != nil || statuses == nil {
		return all, err
	}
	for i := range all {
		all[i] = all[i].WithGRPCFailed(statuses)
	}
	return all, nil
}

// named are the profiles that the flags name.
func (m *metricFlags) named() ([]metrics.Profile, error) {
	if m.custom != (metrics.Custom{}) {
		return m.customProfile()
	}
	all, err := metrics.Profiles()
	if m.file != "" {
		all, err = readProfiles(m.file)
	}
	if err != nil || m.profile == "" {
		return all, err
	}
	p, err := metrics.PickProfile(all, m.profile)
	if err != nil {
		return nil, usagef("--profile: %w", err)
	}
	return []metrics.Profile{p}, nil
}

func (m *metricFlags) customProfile() ([]metrics.Profile, error) {
	if m.profile != "" || m.file != "" {
		return nil, usagef("--metric-total and its kin name the metrics, and --profile or --profile-file others; say one")
	}
	if m.custom.Bad == "" || cmp.Or(m.custom.Total, m.custom.Good) == "" || m.custom.Total != "" && m.custom.Good != "" {
		return nil, hint.Wrap(usagef("custom metrics want --metric-bad, and either --metric-total or --metric-good"),
			`for example --metric-total checkout_total --metric-bad 'checkout_total{code=~"5.."}'`)
	}
	p, err := m.custom.Profile()
	if err != nil {
		return nil, usagef("custom metrics: %w", err)
	}
	return []metrics.Profile{p}, nil
}

func readProfiles(path string) ([]metrics.Profile, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("--profile-file: %w", err)
	}
	all, err := metrics.ParseProfiles(text)
	if err != nil {
		return nil, usagef("--profile-file %s: %w", path, err)
	}
	return all, nil
}
