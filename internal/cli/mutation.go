package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// mutation is what the commands that change something share: --dry-run, -o, and
// the memory of whether anything was changed.
type mutation struct {
	dryRun string
	output string

	f       *Factory
	changes int
}

func (m *mutation) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&m.dryRun, "dry-run", string(traffic.DryRunNone), `"client" prints the change without sending it, "server" has the API server check it; neither changes anything`)
	flags.StringVarP(&m.output, "output", "o", "", "print the route afterwards: json, yaml or name")
}

func (m *mutation) validate() error {
	switch traffic.DryRun(m.dryRun) {
	case traffic.DryRunNone, traffic.DryRunClient, traffic.DryRunServer:
	default:
		return usagef("--dry-run %s: say none, client or server", m.dryRun)
	}
	switch m.output {
	case "", "json", "yaml", "name":
		return nil
	}
	return usagef("-o %s: say json, yaml or name", m.output)
}

// dry reports whether nothing is to be changed.
func (m *mutation) dry() bool { return traffic.DryRun(m.dryRun) != traffic.DryRunNone }

// write says how the next change is made. In a dry run it is printed; one that
// builds on a change that was itself only dry cannot be checked by a server that
// never saw the first, and is computed here.
func (m *mutation) write() traffic.Write {
	dry := traffic.DryRun(m.dryRun)
	if dry == traffic.DryRunServer && m.changes > 0 {
		dry = traffic.DryRunClient
	}
	return traffic.Write{DryRun: dry, Show: m.show}
}

func (m *mutation) show(verb, resource, name string, body []byte) {
	m.changes++
	if m.dry() {
		fmt.Fprintf(m.f.Err, "%s %s/%s (dry run, %s):\n", verb, resource, name, m.dryRun)
		fmt.Fprintf(m.f.Out, "%s\n", body)
	}
}

// outcome is the route as -o prints it.
type outcome struct {
	Kind      string         `json:"kind"`
	Namespace string         `json:"namespace"`
	Name      string         `json:"name"`
	Host      string         `json:"host"`
	App       string         `json:"app"`
	Stable    string         `json:"stable"`
	Canary    string         `json:"canary,omitempty"`
	Previous  string         `json:"previous,omitempty"`
	Weights   canary.Weights `json:"weights"`
	Followers []string       `json:"followers,omitempty"`
	Changed   bool           `json:"changed"`
}

// print writes the route in the format that was asked for. In a dry run the
// change itself is the output.
func (m *mutation) print(r traffic.Route) error {
	if m.changes > 0 && len(r.Followers) > 0 {
		m.note("%s: likewise, for it sends to the same versions", strings.Join(r.Followers, ", "))
	}
	if m.output == "" || m.dry() {
		return nil
	}
	if m.output == "name" {
		_, err := fmt.Fprintf(m.f.Out, "virtualservice.networking.istio.io/%s\n", r.Name)
		return err
	}
	data, err := json.MarshalIndent(outcome{
		Kind: r.Kind, Namespace: r.Namespace, Name: r.Name, Host: r.Host, App: r.App,
		Stable: r.Stable, Canary: r.Canary, Previous: r.Previous(), Weights: r.Weights, Followers: r.Followers, Changed: m.changes > 0,
	}, "", "  ")
	if err == nil && m.output == "yaml" {
		data, err = yaml.JSONToYAML(data)
	}
	if err != nil {
		return fmt.Errorf("print %s: %w", r, err)
	}
	_, err = fmt.Fprintf(m.f.Out, "%s\n", trimNewline(data))
	return err
}

func trimNewline(data []byte) []byte {
	if n := len(data); n > 0 && data[n-1] == '\n' {
		return data[:n-1]
	}
	return data
}

// note narrates what was done, and in a dry run, that it was not.
func (m *mutation) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if m.dry() {
		text += " (dry run: nothing was changed)"
	}
	fmt.Fprintln(m.f.Err, text)
}
