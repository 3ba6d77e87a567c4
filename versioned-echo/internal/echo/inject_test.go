package echo

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
)

func TestDecodeFaults(t *testing.T) {
	partial := NoFaults()
	partial.ErrorShare, partial.ErrorAfter = .1, Duration(30*time.Second)
	unavailable := NoFaults()
	unavailable.GRPCShare, unavailable.GRPCStatus, unavailable.GRPCWhen = .1, codes.Unavailable, AfterHeaders

	for name, test := range map[string]struct {
		body, wantErr string
		want          Faults
	}{
		"what is left out is off": {body: `{"errorShare": 0.1, "errorAfter": "30s"}`, want: partial},
		"empty object":            {body: `{}`, want: NoFaults()},
		"misspelt":                {body: `{"errorshare_": 1}`, wantErr: `unknown field "errorshare_"`},
		"two objects":             {body: `{} {}`, wantErr: "one JSON object"},
		"no object":               {body: ``, wantErr: "EOF"},
		"time without unit":       {body: `{"latency": "5"}`, wantErr: "missing unit"},
		"more than all":           {body: `{"errorShare": 0.5, "hangShare": 0.3, "breakShare": 0.3}`, wantErr: "add up to more than 1"},
		"gRPC status":             {body: `{"grpcShare": 0.1, "grpcStatus": "UNAVAILABLE", "grpcWhen": "after-headers"}`, want: unavailable},
		"gRPC status OK":          {body: `{"grpcStatus": 0}`, wantErr: "grpcStatus is 0: want 1 to 16"},
		"gRPC at no moment":       {body: `{"grpcWhen": "later"}`, wantErr: `"later": want trailers-only`},
		"out of range":            {body: `{"errorShare": -1, "crashAfter": "-1s"}`, wantErr: "errorShare is -1: want a share from 0 to 1\ncrashAfter is -1s"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := DecodeFaults(strings.NewReader(test.body))
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Fatalf("error %v, want one that says %q", err, test.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// every returns numbers that are spread evenly, so that a share of n requests
// is hit exactly.
func every(n int) func() float64 {
	i := -1
	return func() float64 { i++; return float64(i%n) / float64(n) }
}

func TestErrorShareIsThatShare(t *testing.T) {
	i := newInjector(every(10))
	i.set(Faults{ErrorShare: .3, ErrorStatus: 503})
	codes := map[int]int{}
	for range 100 {
		codes[suffer(t.Context(), i).Code]++
	}
	if diff := cmp.Diff(map[int]int{200: 70, 503: 30}, codes); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
}

func TestErrorsBeginLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newInjector(every(1))
		i.set(Faults{ErrorShare: 1, ErrorStatus: 500, ErrorAfter: Duration(30 * time.Second)})
		time.Sleep(30*time.Second - time.Nanosecond)
		if got := suffer(t.Context(), i).Code; got != 200 {
			t.Errorf("just before: %d, want 200", got)
		}
		time.Sleep(time.Nanosecond)
		if got := suffer(t.Context(), i).Code; got != 500 {
			t.Errorf("from then on: %d, want 500", got)
		}
	})
}

func TestLatencyIsAddedToItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newInjector(every(4))
		i.set(Faults{Latency: Duration(200 * time.Millisecond), LatencyShare: .25})
		start := time.Now()
		for range 8 {
			suffer(t.Context(), i)
		}
		if got := time.Since(start); got != 400*time.Millisecond {
			t.Errorf("8 requests took %s, want a quarter of them 200ms each: 400ms", got)
		}
	})
}

// A handler whose client has gone returns without a word.
func TestClientThatLeavesIsNotAnswered(t *testing.T) {
	for name, f := range map[string]Faults{
		"latency": {Latency: Duration(10 * time.Second), LatencyShare: 1},
		"hanging": {HangShare: 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			i := newInjector(every(1))
			i.set(f)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			got := suffer(ctx, i)
			if got.Flushed || got.Body.Len() > 0 || time.Since(start) != time.Second {
				t.Errorf("%s: wrote %q after %s, want nothing after 1s", name, got.Body, time.Since(start))
			}
		})
	}
}

// One draw decides, so that shares add up: an eighth of each kind is half of the
// requests in all.
func TestSharesOfFailuresAddUp(t *testing.T) {
	i := newInjector(every(8))
	i.set(Faults{ErrorShare: .125, GRPCShare: .5, HangShare: .125, BreakShare: .125, ResetShare: .125})
	for protocol, test := range map[string]struct {
		errors func(Faults) float64
		want   map[failure]int
	}{
		"HTTP": {httpErrors, map[failure]int{refused: 10, hanging: 10, broken: 10, reset: 10, none: 40}},
		"gRPC": {grpcErrors, map[failure]int{refused: 40, hanging: 10, broken: 10, reset: 10, none: 10}},
	} {
		got := make(map[failure]int)
		for range 80 {
			got[i.draw(test.errors).failure]++
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", protocol, diff)
		}
	}
}

func TestCrashClockRestartsWithEverySet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newInjector(every(1))
		i.set(Faults{CrashAfter: Duration(10 * time.Second)})
		time.Sleep(9 * time.Second)
		i.set(NoFaults())
		time.Sleep(time.Hour)
		select {
		case <-i.crash:
			t.Fatal("crashed after the fault was ended")
		default:
		}
		start := time.Now()
		i.set(Faults{CrashAfter: Duration(5 * time.Second)})
		<-i.crash
		if got := time.Since(start); got != 5*time.Second {
			t.Errorf("crashed after %s, want 5s", got)
		}
	})
}

func suffer(ctx context.Context, i *injector) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	i.wrap(ok, http.ResponseWriter.WriteHeader).ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	return w
}
