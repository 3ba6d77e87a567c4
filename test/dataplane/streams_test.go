package dataplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/canaryctl/canaryctl/test/dataplane/internal/failing"
)

// A stream counts once, at its end. One that its client leaves has no status of the
// server: Envoy makes UNKNOWN of it, which is no failure.
func TestStreamsCountAtTheirEnd(t *testing.T) {
	b := lay(t)
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
	b.hasCounted(t, left, counts{answered("200", "DC", "2"): 1, received("200", "DC", "2"): 1})
}

// A stream stays with the version that it began with, when no new request goes there.
func TestStreamsStayAfterRollback(t *testing.T) {
	b := lay(t)
	conn, err := grpcConn(b.client)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask := request{name: "staying", fail: failing.Stream}
	s, err := stream(t.Context(), conn, ask)
	if err != nil {
		t.Fatal(err)
	}

	routes, err := os.ReadFile("testdata/routes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.mesh.Apply("routes", bytes.ReplaceAll(routes, []byte("subset: v2}}]"), []byte("subset: v1}}]"))); err != nil {
		t.Fatal(err)
	}
	send := grpcUser(b.client)
	eventually(t, func(ctx context.Context) string {
		before := b.app1.Handled()
		if got := send(ctx, request{name: "after"}); got != "OK" {
			return "a request after the rollback got " + got
		}
		if b.app1.Handled() == before {
			return "new requests still go to v2"
		}
		return ""
	})

	if err := talk(s); err != nil {
		t.Errorf("the stream on v2 after the rollback: %v", err)
	}
	active, err := b.client.Active(t.Context(), "v2")
	if err != nil || active != 1 {
		t.Errorf("%d requests are open at v2 (%v), want the stream", active, err)
	}
}

// hasCounted waits for the counts of a request.
func (b *bed) hasCounted(t *testing.T, r request, want counts) {
	t.Helper()
	eventually(t, func(ctx context.Context) string {
		got, err := b.counted(ctx, r.name)
		if err != nil {
			return err.Error()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Sprintf("%s (-want +got):\n%s", r.name, diff)
		}
		return ""
	})
}
