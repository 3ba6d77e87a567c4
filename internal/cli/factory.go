package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/status"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/traffic/istio"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// Streams are where a command reads and writes: data goes to Out, narration
// and questions to Err.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// Factory hands a command what it works with, made from the flags that all
// commands share. Nothing is read or dialled before it is asked for.
type Factory struct {
	Streams
	Clock clock.WithTicker

	app    string
	config kube.Config
	client *kube.Client
}

// NewFactory returns a factory with the system's clock.
func NewFactory(s Streams) *Factory {
	return &Factory{
		Streams: s,
		Clock:   clock.RealClock{},
		config:  kube.Config{UserAgent: "canaryctl/" + buildVersion(), Warnings: s.Err},
	}
}

// addFlags defines the flags that stand before or after any command.
func (f *Factory) addFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&f.config.Namespace, "namespace", "n", "", "namespace of the application (default: the context's)")
	flags.StringVar(&f.config.Namespace, "ns", "", "short for --namespace")
	flags.StringVar(&f.app, "app", "", "application: the value of the label \"app\" (default: found by itself)")
	flags.StringVar(&f.config.Context, "context", "", "kubeconfig context to use")
	flags.StringVar(&f.config.Kubeconfig, "kubeconfig", "", "path of the kubeconfig file (default: $KUBECONFIG, else ~/.kube/config)")
	flags.StringVar(&f.config.As, "as", "", "user to impersonate")
	flags.StringArrayVar(&f.config.AsGroups, "as-group", nil, "group to impersonate; may be repeated")
	flags.DurationVar(&f.config.RequestTimeout, "request-timeout", 30*time.Second, "longest wait for one answer of the API server; 0 waits forever")
}

// App is the application that --app names, or "".
func (f *Factory) App() string { return f.app }

// Client returns the connection to the API server; it is made once.
func (f *Factory) Client() (*kube.Client, error) {
	if f.client != nil {
		return f.client, nil
	}
	client, err := kube.Connect(f.config)
	if err != nil {
		return nil, err
	}
	f.client = client
	return client, nil
}

// Namespace is the one that the flags or the kubeconfig name, else "default".
func (f *Factory) Namespace() (string, error) {
	client, err := f.Client()
	if err != nil {
		return "", err
	}
	return client.Namespace, nil
}

// Dynamic returns a client for any resource; the kube package names those we use.
func (f *Factory) Dynamic() (dynamic.Interface, error) {
	client, err := f.Client()
	if err != nil {
		return nil, err
	}
	return client, nil
}

// Deployments are those of the versions that a route tells of.
func (f *Factory) Deployments(ctx context.Context, router traffic.Router, route traffic.Route) (workload.Deployments, error) {
	backends, err := router.Backends(ctx, route, route.Versions()...)
	if err != nil {
		return workload.Deployments{}, err
	}
	return f.reached(route, backends)
}

// reached are the Deployments of backends that are known.
func (f *Factory) reached(route traffic.Route, backends canary.Backends) (workload.Deployments, error) {
	client, err := f.Dynamic()
	if err != nil {
		return workload.Deployments{}, err
	}
	return workload.New(workload.Config{Client: client, Namespace: route.Namespace, App: route.App, Backends: backends, Clock: f.Clock}), nil
}

// REST returns the configuration of the connection, for raw requests.
func (f *Factory) REST() (*rest.Config, error) {
	client, err := f.Client()
	if err != nil {
		return nil, err
	}
	return client.REST, nil
}

// Router returns the adapter that moves traffic.
func (f *Factory) Router() (traffic.Router, error) {
	client, err := f.Client()
	if err != nil {
		return nil, err
	}
	return istio.New(istio.Config{Client: client, Clock: f.Clock}), nil
}

// Interactive reports whether a person can be asked: both ends are terminals.
func (f *Factory) Interactive() bool {
	return isTerminal(f.In) && isTerminal(f.Err)
}

// Color reports whether w is a terminal that may be written to in colour
// (https://no-color.org).
func Color(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w)
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// driver is who drives the release of a route.
func (f *Factory) driver(ctx context.Context, route traffic.Route) (status.Driver, error) {
	client, err := f.Dynamic()
	if err != nil {
		return status.Driver{}, err
	}
	return status.DriverOf(ctx, client, f.Clock, route)
}

// awaitDriver waits until who drives it says so again, or nobody does.
func (f *Factory) awaitDriver(ctx context.Context, route traffic.Route) (status.Driver, error) {
	client, err := f.Dynamic()
	if err != nil {
		return status.Driver{}, err
	}
	return status.AwaitDriver(ctx, client, f.Clock, route, func(d status.Driver) {
		fmt.Fprintf(f.Err, "%s holds the lease; waiting for its next renewal\n", d.Name)
	})
}
