package hook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/hook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when everything here happens.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// leap is a clock that goes on by itself: whoever waits is there at once, and the
// waits are kept.
type leap struct {
	*clocktesting.FakeClock
	mu    sync.Mutex
	waits []time.Duration
}

func newLeap() *leap { return &leap{FakeClock: clocktesting.NewFakeClock(noon())} }

func (l *leap) NewTimer(d time.Duration) clock.Timer {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waits = append(l.waits, d)
	timer := l.FakeClock.NewTimer(d)
	l.Step(d)
	return timer
}

func (l *leap) waited() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.waits)
}

// got is a request as a server saw it.
type got struct {
	header http.Header
	path   string
	body   []byte
}

// receiver is a server that keeps what it is sent.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	all []got
}

// receive starts a server that answers request i by reply.
func receive(t *testing.T, reply func(i int, w http.ResponseWriter, r *http.Request)) *receiver {
	t.Helper()
	rec := &receiver{}
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		rec.mu.Lock()
		i := len(rec.all)
		rec.all = append(rec.all, got{r.Header.Clone(), r.URL.Path, body})
		rec.mu.Unlock()
		reply(i, w, r)
	}))
	t.Cleanup(rec.Close)
	return rec
}

func (r *receiver) requests() []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

func (r *receiver) host() string { return strings.TrimPrefix(r.URL, "http://") }

// verify checks a signature as a receiver would, without our code.
func verify(t *testing.T, key []byte, g got, at time.Time) {
	t.Helper()
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, g.header.Get("webhook-id")+"."+g.header.Get("webhook-timestamp")+"."+string(g.body))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if signatures := strings.Fields(g.header.Get("webhook-signature")); !slices.Contains(signatures, want) {
		t.Errorf("no signature in %q is %s", signatures, want)
	}
	if stamp := g.header.Get("webhook-timestamp"); stamp != strconv.FormatInt(at.Unix(), 10) {
		t.Errorf("dated %s, want %d", stamp, at.Unix())
	}
}

// held is a file with a text in it.
func held(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func times(n int) *int { return &n }

// config is one in which nothing is left to chance: each wait is as long as may be.
func config(clock clock.Clock) hook.Config {
	return hook.Config{
		Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		Clock:  clock, Jitter: func() float64 { return 1 }, Env: func(string) string { return "" },
	}
}

// happened is an event of one release.
func happened(kind event.Kind, step int, weight canary.Percent, message string) event.Event {
	return event.Event{
		Time: noon(), Kind: kind, Message: message,
		Release: event.Release{
			ID: "20260301-1a2b", App: "versioned-echo", Namespace: "shop", Route: "VirtualService shop",
			From: "v1", To: "v2", Image: "versioned-echo:v2",
		},
		At: event.At{Phase: canary.Progressing, Step: step, Steps: 3, Weight: weight},
	}
}
