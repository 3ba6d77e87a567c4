package hook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/hook"
)

// warnings keeps what is warned of.
type warnings struct {
	mu   sync.Mutex
	said []string
}

func (w *warnings) warn(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, text)
}

func notifier(t *testing.T, c hook.Config, specs ...hook.Notification) *hook.Notifier {
	t.Helper()
	n, err := hook.NewNotifier(specs, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close(context.Background()) })
	return n
}

// messages are those of the CloudEvents that a server got.
func messages(t *testing.T, r *receiver) []string {
	t.Helper()
	var all []string
	for _, g := range r.requests() {
		var body struct{ Data event.Event }
		if err := json.Unmarshal(g.body, &body); err != nil {
			t.Fatalf("%s: %v", g.body, err)
		}
		all = append(all, body.Data.Message)
	}
	return all
}

func TestOrderAndKinds(t *testing.T) {
	server := receive(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	some := receive(t, func(int, http.ResponseWriter, *http.Request) {})
	n := notifier(t, config(newLeap()),
		hook.Notification{Webhook: &hook.Webhook{URL: server.URL}},
		hook.Notification{Webhook: &hook.Webhook{URL: some.URL}, On: []event.Kind{event.Evidence, event.Promoted}},
	)
	var all []string
	for _, kind := range event.Kinds() {
		n.Notify(happened(kind, 0, 5, string(kind)))
		all = append(all, string(kind))
	}
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(kind string) bool { return kind == "evidence" || kind == "waiting" })
	if diff := cmp.Diff(all, messages(t, server)); diff != "" {
		t.Errorf("by default (-want +got):\n%s", diff)
	}
	// The reading had the outcome behind it when the release ended.
	if got := messages(t, some); !slices.Equal(got, []string{"evidence", "promoted"}) && !slices.Equal(got, []string{"promoted"}) {
		t.Errorf("the second target was told %v", got)
	}
}

func TestNotificationIsSigned(t *testing.T) {
	server := receive(t, func(i int, w http.ResponseWriter, _ *http.Request) {
		if i == 0 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	n := notifier(t, config(newLeap()), hook.Notification{Webhook: &hook.Webhook{URL: server.URL, SecretFile: held(t, "a key of ours")}})
	n.Notify(happened(event.Step, 1, 20, "the canary gets 20%"))
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := server.requests()
	if len(all) != 2 {
		t.Fatalf("%d requests", len(all))
	}
	verify(t, []byte("a key of ours"), all[0], noon())
	verify(t, []byte("a key of ours"), all[1], noon().Add(500*time.Millisecond))
	var body struct{ ID, Type, Source string }
	if err := json.Unmarshal(all[1].body, &body); err != nil {
		t.Fatal(err)
	}
	if id := all[1].header.Get("webhook-id"); id != body.ID || id != all[0].header.Get("webhook-id") || strings.Contains(id, ".") {
		t.Errorf("the message is called %q, the event %q", id, body.ID)
	}
	if kind := all[1].header.Get("Content-Type"); kind != "application/cloudevents+json; charset=utf-8" {
		t.Errorf("Content-Type: %s", kind)
	}
}

// A target that hangs holds nothing up, and the outcome arrives once it works.
func TestFullQueue(t *testing.T) {
	hang := make(chan struct{})
	server := receive(t, func(int, http.ResponseWriter, *http.Request) { <-hang })
	quick := receive(t, func(int, http.ResponseWriter, *http.Request) {})
	n := notifier(t, config(newLeap()),
		hook.Notification{Webhook: &hook.Webhook{URL: server.URL}, On: event.Kinds()},
		hook.Notification{Webhook: &hook.Webhook{URL: quick.URL}},
	)
	want := []string{}
	for i := range 100 {
		n.Notify(happened(event.Step, 0, 5, fmt.Sprint("step ", i)))
		want = append(want, fmt.Sprint("step ", i))
		for range 9 {
			n.Notify(happened(event.Evidence, 0, 5, "a reading"))
		}
	}
	n.Notify(happened(event.Promoted, 2, 100, "promoted"))
	close(hang)
	err := n.Close(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "notify[0]: ") || strings.Contains(err.Error(), "notify[1]") {
		t.Errorf("it does not say that some gave way: %v", err)
	}
	want = append(want, "promoted")
	got := slices.DeleteFunc(messages(t, server), func(m string) bool { return m == "a reading" })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the slow target (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, messages(t, quick)); diff != "" {
		t.Errorf("the quick target (-want +got):\n%s", diff)
	}
}

// Who waits for a server that was busy does not keep the outcome back.
func TestCloseCutsWaitsShort(t *testing.T) {
	arrived := make(chan struct{}, 9)
	server := receive(t, func(i int, w http.ResponseWriter, _ *http.Request) {
		if i == 0 {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		arrived <- struct{}{}
	})
	frozen := clocktesting.NewFakeClock(noon()) // no wait on it ends
	n := notifier(t, config(frozen), hook.Notification{Webhook: &hook.Webhook{URL: server.URL}})
	for _, message := range []string{"one", "two", "rolled back"} {
		n.Notify(happened(event.Step, 0, 5, message))
	}
	<-arrived
	err := n.Close(t.Context())
	if want := "notify[0]: 1 events were not delivered: 1 failed, 0 gave way in a full queue, 0 were left at the end"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if got := messages(t, server); !slices.Equal(got, []string{"one", "two", "rolled back"}) {
		t.Errorf("told %v", got)
	}
}

// The last event is worth another attempt.
func TestCloseRetriesTheLast(t *testing.T) {
	server := receive(t, func(i int, w http.ResponseWriter, _ *http.Request) {
		if i < 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	n := notifier(t, config(newLeap()), hook.Notification{Webhook: &hook.Webhook{URL: server.URL}})
	n.Notify(happened(event.RolledBack, 0, 0, "rolled back"))
	if err := n.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got := len(server.requests()); got != 3 {
		t.Errorf("%d attempts", got)
	}
}

func TestCloseIsBounded(t *testing.T) {
	server := receive(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	var w warnings
	c := config(newLeap())
	c.Warn = w.warn
	n := notifier(t, c, hook.Notification{Webhook: &hook.Webhook{URL: server.URL}})
	for range 3 {
		n.Notify(happened(event.Step, 0, 5, "a step"))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := n.Close(ctx)
	if err == nil || !strings.HasPrefix(err.Error(), "notify[0]: 3 events were not delivered: ") {
		t.Errorf("got %v", err)
	}
	if n.Close(t.Context()) == nil {
		t.Error("closed twice, it forgets what was not delivered")
	}
}

func TestWarnsOnceUntilItWorks(t *testing.T) {
	const secret = "/services/T000/B000/XXXX"
	server := receive(t, func(i int, w http.ResponseWriter, r *http.Request) {
		if i != 2 {
			http.Error(w, "no route "+r.URL.Path, http.StatusNotFound)
		}
	})
	var w warnings
	c := config(newLeap())
	c.Warn = w.warn
	n := notifier(t, c, hook.Notification{Slack: &hook.Webhook{URLFile: held(t, server.URL+secret)}})
	for range 5 { // fails, fails, works, fails, fails
		n.Notify(happened(event.Step, 0, 5, "a step"))
	}
	err := n.Close(t.Context())
	if want := "notify[0]: 4 events were not delivered: 4 failed, 0 gave way in a full queue, 0 were left at the end"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	want := "notify[0]: the event step was not delivered: " + server.host() + " answered 404 Not Found; further failures are not reported until it recovers"
	if diff := cmp.Diff([]string{want, want}, w.said); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestSlackEscapes(t *testing.T) {
	server := receive(t, func(int, http.ResponseWriter, *http.Request) {})
	n := notifier(t, config(newLeap()), hook.Notification{Slack: &hook.Webhook{URL: server.URL}})
	e := happened(event.RolledBack, 1, 0, "p95 > 2s & <!channel> are\nangry")
	e.By = "<@U1>"
	n.Notify(e)
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	body := server.requests()[0].body
	var post struct{ Text string }
	if err := json.Unmarshal(body, &post); err != nil {
		t.Fatal(err)
	}
	if want := "shop/versioned-echo v2 is rolled back: p95 &gt; 2s &amp; &lt;!channel&gt; are angry"; post.Text != want {
		t.Errorf("text %q, want %q", post.Text, want)
	}
	if unescaped := strings.ReplaceAll(string(body), `\u0026`, "&"); strings.Contains(unescaped, "<") || !strings.Contains(unescaped, "by &lt;@U1&gt;") {
		t.Errorf("not all is escaped: %s", unescaped)
	}
}

func TestNotifierNamesTheField(t *testing.T) {
	_, err := hook.NewNotifier([]hook.Notification{{Slack: &hook.Webhook{URLEnv: "X"}}, {}}, hook.Config{})
	if !errors.Is(err, hook.ErrSpec) || err.Error() != "invalid hook: spec.notify[1]: it goes to a webhook, to slack or to a command, one of the three" {
		t.Error(err)
	}
}

func TestCommandIsNotified(t *testing.T) {
	c := config(newLeap())
	var w warnings
	c.Warn = w.warn
	n := notifier(t, c, hook.Notification{Command: &hook.Command{Args: []string{"/no/such/tell", "--token=s3cr3t"}, Timeout: canary.Duration(time.Second)}})
	n.Notify(happened(event.Step, 0, 5, "a step"))
	n.Close(t.Context())
	want := "notify[0]: the event step was not delivered: run tell: fork/exec /no/such/tell: no such file or directory; further failures are not reported until it recovers"
	if diff := cmp.Diff([]string{want}, w.said); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}
