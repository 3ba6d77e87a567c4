package dataplane

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/test/dataplane/internal/failing"
	"github.com/canaryctl/canaryctl/test/dataplane/internal/mesh"
)

// soon is a user's patience, and longer than the routes' time-out would be wrong.
const soon = 300 * time.Millisecond

// answered and unanswered are what the sender counts, with and without an answer of
// the receiver; received is what the receiver counts.
func answered(code, flags, grpc string) mesh.Labels {
	return mesh.Labels{Reporter: "source", Version: "v2", Revision: "v2", Code: code, Flags: flags, GRPC: grpc}
}

func unanswered(code, flags, grpc string) mesh.Labels {
	return mesh.Labels{Reporter: "source", Version: "unknown", Revision: "v2", Code: code, Flags: flags, GRPC: grpc}
}

func nowhere(code, flags, grpc string) mesh.Labels {
	return mesh.Labels{Reporter: "source", Version: "unknown", Revision: "latest", Code: code, Flags: flags, GRPC: grpc}
}

func received(code, flags, grpc string) mesh.Labels {
	return mesh.Labels{Reporter: "destination", Version: "v2", Revision: "v2", Code: code, Flags: flags, GRPC: grpc}
}

type counts = map[mesh.Labels]int

// failures is the table of docs/analyze.md: what each kind looks like to the user, in
// the counters of sender and receiver, and to the application.
func failures() map[string][]failure {
	return map[string][]failure{
		"HTTP/1.1": {
			{ask: request{name: "good"}, sees: "200", handled: 1,
				counts: counts{answered("200", "-", ""): 1, received("200", "-", ""): 1}},
			{ask: request{name: "5xx", fail: "status=503"}, sees: "503", handled: 1,
				counts: counts{answered("503", "-", ""): 1, received("503", "-", ""): 1}},
			{ask: request{name: "5xx retried", fail: "status=500", route: "retry-5xx"}, sees: "500", handled: 3,
				counts: counts{answered("500", "URX", ""): 1, received("500", "-", ""): 3}},
			{ask: request{name: "time-out of the route", fail: failing.Hang, route: "timeout"}, sees: "504", handled: 1,
				counts: counts{unanswered("504", "UT", ""): 1, received("0", "DC", ""): 1}},
			{ask: request{name: "time-out per try", fail: failing.Hang, route: "per-try-timeout"}, sees: "504", handled: 1,
				counts: counts{unanswered("504", "UT", ""): 1, received("0", "DC", ""): 1}},
			{ask: request{name: "user gives up", fail: failing.Hang, patience: soon}, sees: "nothing", handled: 1,
				counts: counts{unanswered("0", "DC", ""): 1, received("0", "DC", ""): 1}},
			{ask: request{name: "body breaks off", fail: failing.Break}, sees: "200 broken off", handled: 1,
				counts: counts{answered("200", "UPE", ""): 1, received("200", "UPE", ""): 1}},
			{ask: request{name: "reset before headers", fail: failing.Reset}, sees: "503", handled: 1,
				counts: counts{answered("503", "-", ""): 1, received("503", "UC", ""): 1}},
			{ask: request{name: "connection refused", route: "refusing"}, sees: "503",
				counts: counts{{Reporter: "source", Version: "unknown", Revision: "v3", Code: "503", Flags: "URX,UF"}: 1}},
			{ask: request{name: "no Pod", route: "empty"}, sees: "503", counts: counts{nowhere("503", "UH", ""): 1}},
			{ask: request{name: "no subset", route: "unnamed"}, sees: "503", counts: counts{nowhere("503", "NC", ""): 1}},
			{ask: request{name: "fault of the route", route: "injected"}, sees: "503", counts: counts{nowhere("503", "FI", ""): 1}},
		},
		"HTTP/2": {
			{ask: request{name: "time-out of the route", fail: failing.Hang, route: "timeout"}, sees: "504", handled: 1,
				counts: counts{unanswered("504", "UT", ""): 1, received("0", "DC", ""): 1}},
			{ask: request{name: "user gives up", fail: failing.Hang, patience: soon}, sees: "nothing", handled: 1,
				counts: counts{unanswered("0", "DC", ""): 1, received("0", "DC", ""): 1}},
			{ask: request{name: "body breaks off", fail: failing.Break}, sees: "200 broken off", handled: 1,
				counts: counts{answered("200", "UPE", ""): 1, received("200", "UPE", ""): 1}},
		},
		"gRPC": {
			{ask: request{name: "good"}, sees: "OK", handled: 1,
				counts: counts{answered("200", "-", "0"): 1, received("200", "-", "0"): 1}},
			{ask: request{name: "INTERNAL", fail: "status=13"}, sees: "Internal", handled: 1,
				counts: counts{answered("200", "-", "13"): 1, received("200", "-", "13"): 1}},
			{ask: request{name: "INTERNAL after headers", fail: "after-headers=13"}, sees: "Internal", handled: 1,
				counts: counts{answered("200", "-", "13"): 1, received("200", "-", "13"): 1}},
			{ask: request{name: "INTERNAL after a message", fail: "after-message=13"}, sees: "Internal", handled: 1,
				counts: counts{answered("200", "-", "13"): 1, received("200", "-", "13"): 1}},
			{ask: request{name: "UNAVAILABLE, retried", fail: "status=14"}, sees: "Unavailable", handled: 3,
				counts: counts{answered("200", "URX", "14"): 1, received("200", "-", "14"): 3}},
			{ask: request{name: "CANCELLED, retried", fail: "status=1"}, sees: "Canceled", handled: 3,
				counts: counts{answered("200", "URX", "1"): 1, received("200", "-", "1"): 3}},
			{ask: request{name: "UNAVAILABLE after headers", fail: "after-headers=14"}, sees: "Unavailable", handled: 1,
				counts: counts{answered("200", "-", "14"): 1, received("200", "-", "14"): 1}},
			{ask: request{name: "RESOURCE_EXHAUSTED", fail: "status=8"}, sees: "ResourceExhausted", handled: 1,
				counts: counts{answered("200", "-", "8"): 1, received("200", "-", "8"): 1}},
			{ask: request{name: "time-out of the route", fail: failing.Hang, route: "timeout"}, sees: "Unavailable", handled: 1,
				counts: counts{unanswered("200", "UT", "14"): 1, received("0", "DC", "2"): 1}},
			{ask: request{name: "deadline of the user", fail: failing.Hang, patience: soon}, sees: "DeadlineExceeded", handled: 1,
				counts: counts{unanswered("0", "DR", "2"): 1, received("0", "DR", "2"): 1}},
			{ask: request{name: "connection refused", route: "refusing"}, sees: "Unavailable",
				counts: counts{{Reporter: "source", Version: "unknown", Revision: "v3", Code: "200", Flags: "URX,UF", GRPC: "14"}: 1}},
			{ask: request{name: "no Pod", route: "empty"}, sees: "Unavailable", counts: counts{nowhere("200", "UH", "14"): 1}},
			{ask: request{name: "no subset", route: "unnamed"}, sees: "Unavailable", counts: counts{nowhere("200", "NC", "14"): 1}},
			{ask: request{name: "fault of the route", route: "injected"}, sees: "Unavailable", counts: counts{nowhere("200", "FI", "14"): 1}},
		},
	}
}

// failure is one kind of request, and what becomes of one of them.
type failure struct {
	ask     request
	sees    string // by the user
	handled int    // times that one request reaches the application
	counts  counts
}

func TestFailures(t *testing.T) {
	b := lay(t)
	users := map[string]user{"HTTP/1.1": http1(b.client), "HTTP/2": http2(b.client), "gRPC": grpcUser(b.client)}
	for protocol, all := range failures() {
		for _, f := range all {
			t.Run(protocol+"/"+f.ask.name, func(t *testing.T) {
				f.ask.name = protocol + " " + f.ask.name
				f.try(t, b, users[protocol])
			})
		}
	}
}

// try sends some requests at once, and compares.
func (f failure) try(t *testing.T, b *bed, send user) {
	const n = 4
	before := b.app2.Handled()
	saw := make([]string, n)
	var sending sync.WaitGroup
	for i := range saw {
		sending.Go(func() { saw[i] = send(t.Context(), f.ask) })
	}
	sending.Wait()
	if diff := cmp.Diff(slices.Repeat([]string{f.sees}, n), saw); diff != "" {
		t.Errorf("what users see (-want +got):\n%s", diff)
	}
	if got := b.app2.Handled() - before; got != n*f.handled {
		t.Errorf("the application got %d requests, want %d", got, n*f.handled)
	}
	want := counts{}
	for l, each := range f.counts {
		want[l] = n * each
	}
	b.hasCounted(t, f.ask, want)
}
