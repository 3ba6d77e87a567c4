package podnet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAllocateGoesRound(t *testing.T) {
	table := NewTable()
	table.prefix = netip.MustParsePrefix("10.244.0.0/29") // .2 to .6 are for Pods
	var got []string
	for range 5 {
		ip, err := table.Allocate()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ip.String())
	}
	want := []string{"10.244.0.2", "10.244.0.3", "10.244.0.4", "10.244.0.5", "10.244.0.6"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("addresses (-want +got):\n%s", diff)
	}
	if _, err := table.Allocate(); !errors.Is(err, ErrExhausted) {
		t.Fatalf("a full table gave %v, want ErrExhausted", err)
	}
	for _, freed := range []string{"10.244.0.6", "10.244.0.4"} {
		table.Release(netip.MustParseAddr(freed))
	}
	ip, err := table.Allocate()
	if err != nil || ip.String() != "10.244.0.4" {
		t.Fatalf("after a release: %v, %v; want 10.244.0.4", ip, err)
	}
}

func TestReleaseForgetsMappings(t *testing.T) {
	table := NewTable()
	one, other := netip.MustParseAddr("10.244.0.2"), netip.MustParseAddr("10.244.0.3")
	table.Map(one, 8080, "127.0.0.1:1")
	table.Map(one, 9090, "127.0.0.1:2")
	table.Map(other, 8080, "127.0.0.1:3")
	table.Unmap(one, 9090)
	if _, ok := table.Lookup(one, 9090); ok {
		t.Error("an unmapped port is still answered")
	}
	table.Release(one)
	if _, ok := table.Lookup(one, 8080); ok {
		t.Error("a released address is still answered")
	}
	if target, ok := table.Lookup(other, 8080); !ok || target != "127.0.0.1:3" {
		t.Errorf("the neighbour's mapping is %q, %t", target, ok)
	}
}

func TestDialContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	table := NewTable()
	pod := netip.MustParseAddr("10.244.0.2")
	table.Map(pod, 8080, l.Addr().String())
	table.Map(pod, 9090, "192.0.2.1:80")
	table.Map(pod, 9091, "localhost:80")

	for _, tt := range []struct {
		name, addr string
		unknown    bool
	}{
		{name: "mapped", addr: "10.244.0.2:8080"},
		{name: "mapped, as IPv4 in IPv6", addr: "[::ffff:10.244.0.2]:8080"},
		{name: "port nobody listens on", addr: "10.244.0.2:8081", unknown: true},
		{name: "address nobody has", addr: "10.244.0.9:8080", unknown: true},
		{name: "mapped outside loopback", addr: "10.244.0.2:9090", unknown: true},
		{name: "mapped to a name", addr: "10.244.0.2:9091", unknown: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := table.DialContext(context.Background(), "tcp", tt.addr)
			if got := errors.Is(err, ErrUnknown); got != tt.unknown {
				t.Fatalf("unknown = %t (%v), want %t", got, err, tt.unknown)
			}
			if tt.unknown {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.Close()
		})
	}
	if _, err := table.DialContext(context.Background(), "tcp", "example.org:80"); err == nil {
		t.Error("a name was dialled; only addresses of the table may be")
	}
}
