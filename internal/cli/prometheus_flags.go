package cli

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/metrics/prometheus"
)

// prometheusFlags name a Prometheus, and say how to talk to one that is not
// plain. What proves who asks goes to the URL that a person gave and nowhere
// else; it comes from files, because everybody on a machine can read its command
// lines.
type prometheusFlags struct {
	url        string
	headers    []string
	headerFile string
	options    prometheus.Options
	named      *prometheus.Server // once checked; nil for what the cluster has
}

// prometheusPrefix is that of all their names.
const prometheusPrefix = "prometheus-"

// prometheusURL is the flag that the others go with.
const prometheusURL = prometheusPrefix + "url"

func (p *prometheusFlags) addFlags(flags *pflag.FlagSet) {
	o := &p.options
	flags.StringVar(&p.url, prometheusURL, "", "Prometheus to read, or what answers like one (default: found by itself)")
	flags.StringArrayVar(&p.headers, "prometheus-header", nil, "header to send to it, \"Name: value\"; may be repeated")
	flags.StringVar(&p.headerFile, "prometheus-header-file", "", "file of such headers, one a line, for those that are secret")
	flags.StringVar(&o.Tenant, "prometheus-tenant", "", "tenant of a Mimir or Cortex (X-Scope-OrgID)")
	flags.StringVar(&o.Username, "prometheus-username", "", "user of basic authentication")
	flags.StringVar(&o.PasswordFile, "prometheus-password-file", "", "file of that user's password")
	flags.StringVar(&o.BearerTokenFile, "prometheus-bearer-token-file", "", "file of a token, read for each query")
	flags.StringVar(&o.CAFile, "prometheus-ca-file", "", "certificate authority to trust instead of the system's")
	flags.StringVar(&o.CertFile, "prometheus-cert-file", "", "certificate to show it")
	flags.StringVar(&o.KeyFile, "prometheus-key-file", "", "key of that certificate")
	flags.StringVar(&o.ServerName, "prometheus-server-name", "", "server name to verify in its certificate (default: the URL's host)")
	flags.BoolVar(&o.InsecureSkipVerify, "prometheus-insecure-skip-verify", false, "skip the verification of its certificate (insecure)")
}

// given are the names of those on the command line.
func (p *prometheusFlags) given(flags *pflag.FlagSet) []string {
	var names []string
	flags.Visit(func(f *pflag.Flag) {
		if strings.HasPrefix(f.Name, prometheusPrefix) {
			names = append(names, f.Name)
		}
	})
	return names
}

// complete is a usage error for flags that need each other, or that name what
// cannot be read. Nothing is sent.
func (p *prometheusFlags) complete(flags *pflag.FlagSet) error {
	given := p.given(flags)
	switch {
	case len(given) == 0:
		return nil
	case !slices.Contains(given, prometheusURL):
		return usagef("--%s goes with --%s: what one server asks for is sent to no other", given[0], prometheusURL)
	}
	headers, err := p.parseHeaders()
	if err != nil {
		return err
	}
	options := p.options
	options.Headers = headers
	if p.named, err = prometheus.Named(p.url, options); err != nil {
		return usagef("--%s: %w", prometheusURL, err)
	}
	return nil
}

// servers are the one that was named, or those that the cluster may have, best
// first.
func (p *prometheusFlags) servers(client *kube.Client) []*prometheus.Server {
	if p.named != nil {
		return []*prometheus.Server{p.named}
	}
	return prometheus.Find(client)
}

// parseHeaders reads those of both flags. Errors leave the values out.
func (p *prometheusFlags) parseHeaders() (http.Header, error) {
	all := http.Header{}
	for i, line := range p.headers {
		if err := addHeader(all, line); err != nil {
			return nil, usagef("--prometheus-header, number %d: %w", i+1, err)
		}
	}
	if p.headerFile == "" {
		return all, nil
	}
	text, err := os.ReadFile(p.headerFile)
	if err != nil {
		return nil, usagef("--prometheus-header-file: %w", err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := addHeader(all, line); err != nil {
			return nil, usagef("--prometheus-header-file %s, line %d: %w", p.headerFile, i+1, err)
		}
	}
	return all, nil
}

func addHeader(to http.Header, line string) error {
	name, value, ok := strings.Cut(line, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	switch {
	case !ok || name == "" || value == "":
		return errors.New(`it is not "Name: value"`)
	case strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }):
		return errors.New("the name before its colon is no name of a header")
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return fmt.Errorf("the value of %s has a control character", name)
	}
	to.Add(name, value)
	return nil
}
