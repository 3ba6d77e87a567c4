// Package node is the lab's one node: an agent that speaks to the API as a
// kubelet and a scheduler do, and runs containers as processes of this machine.
//
// What a process cannot have without root, and so what a Pod's spec asks for in
// vain: an image's file system and mounts at their place (see package volume), a
// network of its own (containers share loopback, so each gets its port in PORT),
// other users, limits on CPU and memory. Requests are counted when Pods are
// placed, and everything else of the spec that a canary release leans on holds.
package node

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/lab/internal/node/image"
	"github.com/canaryctl/canaryctl/lab/internal/node/process"
	"github.com/canaryctl/canaryctl/lab/internal/node/worker"
	"github.com/canaryctl/canaryctl/lab/internal/podnet"
)

// What the node is called and where it is, nominally.
const (
	Name        = "canary-lab"
	Address     = "10.0.0.1"
	KubeletPort = 10250
)

// Config is what a node is made of. The fields up to TLS are required.
type Config struct {
	// REST is how the node reaches the API server, with the rights of a kubelet
	// and a scheduler.
	REST *rest.Config
	// Net is the Pod network; Starter starts processes that die with the lab.
	Net     *podnet.Table
	Starter process.Starter
	// Dir is the node's own directory: logs, volumes, homes of containers.
	Dir string
	// TLS serves the kubelet's API: the node's certificate, and the authority of
	// the client certificates that it asks for.
	TLS *tls.Config

	// Images says which executables stand for which images, by name with or
	// without a tag, beside those built in. More come by Load.
	Images map[string]image.Image
	// ProxyURL is the router, which Pods get as their HTTP proxy.
	ProxyURL string
	// ToolDir is searched for programs before the machine's own PATH.
	ToolDir string

	// Path is the PATH of containers; by default the lab's own, and then where every
	// image has its shell.
	Path string
	// Backoff is that of restarts and image pulls; by default the kubelet's, 10 s
	// to 5 min.
	Backoff worker.Backoff
	// StopGrace is how long containers get to end when the lab stops; 2 s.
	StopGrace time.Duration
	Clock     clock.WithTicker
	Random    *rand.Rand
	Log       *slog.Logger
}

// errConfig says what is missing.
var errConfig = errors.New("node: REST, Net, Starter, Dir and TLS are required")

// complete checks the configuration and fills in the defaults.
func (c *Config) complete() error {
	if c.REST == nil || c.Net == nil || c.Starter == nil || c.Dir == "" || c.TLS == nil {
		return errConfig
	}
	if c.Path == "" {
		c.Path = os.Getenv("PATH") + ":/usr/bin:/bin"
	}
	if c.Backoff == (worker.Backoff{}) {
		c.Backoff = worker.Backoff{Initial: 10 * time.Second, Max: 5 * time.Minute}
	}
	if c.StopGrace == 0 {
		c.StopGrace = 2 * time.Second
	}
	if c.Clock == nil {
		c.Clock = clock.RealClock{}
	}
	if c.Random == nil {
		c.Random = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// address is Address, for the Pod network.
func address() netip.Addr { return netip.MustParseAddr(Address) }
