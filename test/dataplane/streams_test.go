package dataplane

import (
	"context"
	"errors"
	"io"
	"testing"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/canaryctl/canaryctl/test/dataplane/internal/failing"
	"github.com/canaryctl/canaryctl/test/dataplane/internal/mesh"
)

// A stream counts once, at its end. One that its client leaves has no status of the
// server: Envoy makes UNKNOWN of it, which is no failure.
func (b *bed) testStreamsCountAtTheirEnd(t *testing.T) {
	conn, err := grpcConn(b.client)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	closed := request{name: "stream, closed", fail: failing.Stream}
	s, err := stream(t.Context(), conn, closed)
	if err != nil {
		t.Fatal(err)
	}
	left := request{name: "stream, left", fail: failing.Stream}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	if _, err := stream(ctx, conn, left); err != nil {
		t.Fatal(err)
	}
	good := request{name: "beside the streams"}
	failure{ask: good, sees: "OK", handled: 1, counts: counts{answered("200", "-", "0"): 1, received("200", "-", "0"): 1}}.
		try(t, b, grpcUser(b.client))
	b.hasCounted(t, closed, counts{})
	b.hasCounted(t, left, counts{})

	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := s.RecvMsg(new(emptypb.Empty)); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v", err)
	}
	b.hasCounted(t, closed, counts{answered("200", "-", "0"): 1, received("200", "-", "0"): 1})
	leave()
	b.hasCounted(t, left, counts{answered("200", "DR", "2"): 1, received("200", "DR", "2"): 1})
}

// A stream stays with the version that it began with, when no new request goes there.
func (b *bed) testStreamsStay(t *testing.T) {
	conn, err := grpcConn(b.client)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s, err := stream(t.Context(), conn, request{name: "staying", fail: failing.Stream})
	if err != nil {
		t.Fatal(err)
	}

	b.route(t, "testdata/rolled-back.yaml")
	send := grpcUser(b.client)
	eventually(t, func(ctx context.Context) string {
		before := b.app1.Handled()
		if got := send(ctx, request{name: "after the rollback"}); got != "OK" {
			return "a request got " + got
		}
		if b.app1.Handled() == before {
			return "new requests still go to v2"
		}
		return ""
	})

	if err := talk(s); err != nil {
		t.Errorf("the stream on v2 after the rollback: %v", err)
	}
	b.isOpen(t, mesh.Active, "v2", 1)
}
