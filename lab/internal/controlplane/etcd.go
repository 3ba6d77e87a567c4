package controlplane

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// etcdSocket is relative to the run directory. A unix socket rather than a port: the
// directory's mode keeps other users of the machine away from the unprotected store.
const etcdSocket = "unix://etcd.sock"

func (p *ControlPlane) etcd() component {
	return component{
		name:    etcdName,
		args:    []string{p.layout.etcdData()},
		env:     []string{"GOGC=50", "GOMEMLIMIT=96MiB"},
		address: p.layout.run() + "/etcd.sock",
		grace:   3 * time.Second,
	}
}

// etcdMain is the child process: one member, whose data directory is its only argument.
func etcdMain(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want the data directory, got %q", args)
	}
	config, err := etcdConfig(args[0])
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	server, err := embed.StartEtcd(config)
	if err != nil {
		return fmt.Errorf("open the store in %s: %w", args[0], err)
	}
	defer server.Close()
	select {
	case <-ctx.Done():
		return nil
	case err := <-server.Err():
		return err
	}
}

func etcdConfig(dir string) (*embed.Config, error) {
	client, err := url.Parse(etcdSocket)
	if err != nil {
		return nil, err
	}
	// A lone member has no peers: the address is a name in the member list that nobody
	// listens on or dials.
	peer := url.URL{Scheme: "http", Host: "127.0.0.1:2380"}

	c := embed.NewConfig()
	c.Dir = dir
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
	c.ListenPeerUrls, c.AdvertisePeerUrls = nil, []url.URL{peer}
	c.InitialCluster = c.InitialClusterFromName(c.Name)

	// A killed lab loses nothing, since the kernel still holds the pages; only a machine
	// that loses power might, and its user has `up --reset`.
	c.UnsafeNoFsync = true
	// A lone member elects itself after one tick or two, so ticks are the start-up time.
	c.TickMs, c.ElectionMs = 50, 500
	c.QuotaBackendBytes = 512 << 20
	c.SnapshotCount, c.SnapshotCatchUpEntries = 5000, 500 // entries kept in memory
	c.AutoCompactionMode, c.AutoCompactionRetention = embed.CompactorModePeriodic, "10m"
	c.LogLevel = "warn"
	return c, nil
}
