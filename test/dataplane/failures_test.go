package dataplane

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/test/dataplane/internal/failing"
	"github.com/canaryctl/canaryctl/test/dataplane/internal/mesh"
)

// soon is the patience of a user who will get nothing.
const soon = 300 * time.Millisecond

// answered, unanswered and nowhere are what the sender counts: with an answer of the
// receiver, without one, and without a Pod that it could have come from. received is
// what the receiver counts.
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

// protocol is how users speak to the service.
type protocol struct {
	name     string
	user     func(*mesh.Sidecar) user
	failures []failure
}

// protocols is the table of docs/dataplane.md: what each kind of failure looks like to
// the user, and in the counters of sender and receiver.
func protocols() []protocol {
	return []protocol{
		{"HTTP/1.1", http1, []failure{
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
			{ask: request{name: "time-out per try, retried", fail: failing.Hang, route: "per-try-timeout-retried"}, sees: "504", handled: 2,
				counts: counts{unanswered("504", "URX,UT", ""): 1, received("0", "DC", ""): 2}},
			{ask: request{name: "delay and time-out", fail: failing.Hang, route: "delayed-timeout"}, sees: "504", handled: 1,
				counts: counts{unanswered("504", "DI,UT", ""): 1, received("0", "DC", ""): 1}},
			{ask: request{name: "time-out amid the answer", fail: failing.Stream, route: "timeout"}, sees: "200 broken off", handled: 1,
				counts: counts{answered("200", "UT", ""): 1, received("200", "DC", ""): 1}},
			{ask: request{name: "user gives up", fail: failing.Hang, patience: soon}, sees: "nothing", handled: 1,
				counts: counts{unanswered("0", "DC", ""): 1, received("0", "DC", ""): 1}},
			{ask: request{name: "user ends a download", fail: failing.Stream, patience: soon}, sees: "200 without an end", handled: 1,
				counts: counts{answered("200", "DC", ""): 1, received("200", "DC", ""): 1}},
			{ask: request{name: "body breaks off", fail: failing.Break}, sees: "200 broken off", handled: 1,
				counts: counts{answered("200", "UPE", ""): 1, received("200", "UPE", ""): 1}},
			{ask: request{name: "reset before headers", fail: failing.Reset}, sees: "503", handled: 1,
				counts: counts{answered("503", "-", ""): 1, received("503", "UC", ""): 1}},
			{ask: request{name: "connection refused", route: "refusing"}, sees: "503",
				counts: counts{{Reporter: "source", Version: "unknown", Revision: "v3", Code: "503", Flags: "URX,UF"}: 1}},
			{ask: request{name: "connection refused, not retried", route: "refusing-once"}, sees: "503",
				counts: counts{{Reporter: "source", Version: "unknown", Revision: "v3", Code: "503", Flags: "UF"}: 1}},
			{ask: request{name: "no rule", route: "unruled"}, sees: "404", counts: counts{nowhere("404", "NR", ""): 1}},
			{ask: request{name: "no Pod", route: "empty"}, sees: "503", counts: counts{nowhere("503", "UH", ""): 1}},
			{ask: request{name: "no subset", route: "unnamed"}, sees: "503", counts: counts{nowhere("503", "NC", ""): 1}},
			{ask: request{name: "fault of the route", route: "injected"}, sees: "503", counts: counts{nowhere("503", "FI", ""): 1}},
		}},
		{"HTTP/2", http2, []failure{
			{ask: request{name: "time-out of the route", fail: failing.Hang, route: "timeout"}, sees: "504", handled: 1,
				counts: counts{unanswered("504", "UT", ""): 1, received("0", "DC", ""): 1}},
			{ask: request{name: "user gives up", fail: failing.Hang, patience: soon}, sees: "nothing", handled: 1,
				counts: counts{unanswered("0", "DR", ""): 1, received("0", "DC", ""): 1}},
			{ask: request{name: "user ends a download", fail: failing.Stream, patience: soon}, sees: "200 without an end", handled: 1,
				counts: counts{answered("200", "DR", ""): 1, received("200", "DC", ""): 1}},
			{ask: request{name: "body breaks off", fail: failing.Break}, sees: "200 broken off", handled: 1,
				counts: counts{answered("200", "UPE", ""): 1, received("200", "UPE", ""): 1}},
		}},
		{"gRPC", grpcUser, []failure{
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
			{ask: request{name: "time-out of the route", fail: failing.Hang, route: "timeout"}, sees: "Unavailable", orSees: "DeadlineExceeded", handled: 1,
				counts: counts{unanswered("200", "UT", "14"): 1, received("0", "DR", ""): 1},
				or:     first(unanswered("200", "UT", "14"), received("0", "DR", ""))},
			{ask: request{name: "deadline of the user", fail: failing.Hang, patience: soon}, sees: "DeadlineExceeded", orSees: "Unavailable", handled: 1,
				counts: counts{unanswered("0", "DR", ""): 1, received("0", "DR", ""): 1},
				or:     first(unanswered("0", "DR", ""), received("0", "DR", ""))},
			{ask: request{name: "user gives up", fail: failing.Hang, patience: soon, silent: true}, sees: "Canceled", handled: 1,
				counts: counts{unanswered("0", "DR", ""): 1, received("0", "DR", ""): 1}},
			{ask: request{name: "connection refused", route: "refusing"}, sees: "Unavailable",
				counts: counts{{Reporter: "source", Version: "unknown", Revision: "v3", Code: "200", Flags: "URX,UF", GRPC: "14"}: 1}},
			{ask: request{name: "no rule", route: "unruled"}, sees: "Unimplemented", counts: counts{nowhere("200", "NR", "12"): 1}},
			{ask: request{name: "no Pod", route: "empty"}, sees: "Unavailable", counts: counts{nowhere("200", "UH", "14"): 1}},
			{ask: request{name: "no subset", route: "unnamed"}, sees: "Unavailable", counts: counts{nowhere("200", "NC", "14"): 1}},
			{ask: request{name: "fault of the route", route: "injected"}, sees: "Unavailable", counts: counts{nowhere("200", "FI", "14"): 1}},
		}},
	}
}

// failure is one kind of request, and what becomes of one of them.
type failure struct {
	ask     request
	sees    string // by the user
	orSees  string // sometimes
	handled int    // times that one request reaches the application
	counts  counts
	// or is what is sometimes counted instead, by what stands in counts for it.
	or map[mesh.Labels][]mesh.Labels
}

// first is who ends a call: a time-out travels with it, in its header grpc-timeout, which the sender's Envoy
// writes, too. So the user, both Envoys and the server keep the same time, and any of
// them may be the first to end the call.
func first(sent, reached mesh.Labels) map[mesh.Labels][]mesh.Labels {
	return map[mesh.Labels][]mesh.Labels{
		sent:    {unanswered("0", "DR", ""), unanswered("200", "UT", "14"), answered("200", "-", "4")},
		reached: {received("0", "DR", ""), received("200", "-", "4"), received("200", "UR", "14")},
	}
}

// settle counts what came instead as what was expected.
func (f failure) settle(got counts) counts {
	for expected, others := range f.or {
		for _, other := range others {
			if n, ok := got[other]; ok && other != expected {
				delete(got, other)
				got[expected] += n
			}
		}
	}
	return got
}

func (b *bed) testFailures(t *testing.T) {
	for _, p := range protocols() {
		send := p.user(b.client)
		for _, f := range p.failures {
			t.Run(p.name+"/"+f.ask.name, func(t *testing.T) {
				f.ask.name = p.name + " " + f.ask.name
				f.try(t, b, send)
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
	for i, s := range saw {
		if s == f.orSees {
			saw[i] = f.sees
		}
	}
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
	eventually(t, func(ctx context.Context) string {
		got, err := b.counted(ctx, f.ask)
		if err != nil {
			return err.Error()
		}
		return cmp.Diff(want, f.settle(got))
	})
}
