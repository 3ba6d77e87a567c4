package echo

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
)

func TestFromEnv(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	defaults := Default()
	defaults.Pod = host

	full := defaults
	full.Version, full.Pod, full.Host, full.Port = "v2", "echo-1", "127.0.0.1", 9000
	full.LogLevel = slog.LevelDebug
	full.DrainDelay, full.DrainTimeout, full.StartDelay = 0, 5*time.Second, time.Second
	full.FaultsEndpoint = true
	full.Faults = Faults{
		ErrorShare: .25, ErrorStatus: 503, ErrorAfter: Duration(30 * time.Second),
		GRPCShare: .2, GRPCStatus: codes.Unavailable, GRPCWhen: AfterMessages,
		HangShare: .1, BreakShare: .05, ResetShare: .01,
		Latency: Duration(200 * time.Millisecond), LatencyShare: .5,
		Unhealthy: true, CrashAfter: Duration(time.Minute),
	}

	for name, test := range map[string]struct {
		env  map[string]string
		want Config
	}{
		"nothing set":         {nil, defaults},
		"empty counts as not": {map[string]string{"APP_VERSION": "", "PORT": "", "FAULTS_ENDPOINT": ""}, defaults},
		"everything set": {map[string]string{
			"APP_VERSION": "v2", "POD_NAME": "echo-1", "HOST": "127.0.0.1", "PORT": "9000", "LOG_LEVEL": "debug",
			"DRAIN_DELAY": "0s", "DRAIN_TIMEOUT": "5s", "FAULT_START_DELAY": "1s", "FAULTS_ENDPOINT": "enabled",
			"FAULT_ERROR_SHARE": "0.25", "FAULT_ERROR_STATUS": "503", "FAULT_ERROR_AFTER": "30s",
			"FAULT_GRPC_SHARE": "0.2", "FAULT_GRPC_STATUS": "14", "FAULT_GRPC_WHEN": "after-messages",
			"FAULT_HANG_SHARE": "0.1", "FAULT_BREAK_SHARE": "0.05", "FAULT_RESET_SHARE": "0.01",
			"FAULT_LATENCY": "200ms", "FAULT_LATENCY_SHARE": "0.5", "FAULT_UNHEALTHY": "true", "FAULT_CRASH_AFTER": "1m",
		}, full},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := FromEnv(lookup(test.env))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFromEnvNamesEveryMistake(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		want []string
	}{
		"two that do not parse":    {map[string]string{"PORT": "http", "FAULT_LATENCY": "200"}, []string{`PORT="http"`, `FAULT_LATENCY="200"`}},
		"switch":                   {map[string]string{"FAULTS_ENDPOINT": "true"}, []string{"FAULTS_ENDPOINT", "want enabled or disabled"}},
		"version breaks JSON":      {map[string]string{"APP_VERSION": `v1"`}, []string{"APP_VERSION"}},
		"version too long":         {map[string]string{"APP_VERSION": strings.Repeat("v", 64)}, []string{"APP_VERSION"}},
		"port out of range":        {map[string]string{"PORT": "65536"}, []string{"PORT=65536"}},
		"negative delay":           {map[string]string{"DRAIN_DELAY": "-1s"}, []string{"DRAIN_DELAY"}},
		"share above one":          {map[string]string{"FAULT_ERROR_SHARE": "10"}, []string{"errorShare is 10", "0 to 1"}},
		"share is not a number":    {map[string]string{"FAULT_ERROR_SHARE": "NaN"}, []string{"errorShare is NaN"}},
		"status is no error":       {map[string]string{"FAULT_ERROR_STATUS": "404"}, []string{"errorStatus is 404"}},
		"no gRPC status":           {map[string]string{"FAULT_GRPC_STATUS": "FINE"}, []string{`FAULT_GRPC_STATUS="FINE"`}},
		"no moment":                {map[string]string{"FAULT_GRPC_WHEN": "soon"}, []string{"grpcWhen", "trailers-only, after-headers or after-messages"}},
		"latency beyond an answer": {map[string]string{"FAULT_LATENCY": "1h"}, []string{"latency is 1h0m0s", "at most 20s"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := FromEnv(lookup(test.env))
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}
