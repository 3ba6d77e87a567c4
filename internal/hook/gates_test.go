package hook_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/hook"
)

// ask asks one gate before the promotion.
func ask(t *testing.T, gate hook.Gate, c hook.Config) (canary.Gate, string) {
	t.Helper()
	gates, err := hook.NewGates(map[string]hook.Gate{"qa": gate}, c)
	if err != nil {
		t.Fatal(err)
	}
	answer, why, err := gates.Ask(t.Context(), "qa", hook.Question{Event: happened(event.Gate, 2, 50, "qa is asked"), Before: hook.BeforePromotion})
	if err != nil {
		t.Fatal(err)
	}
	return answer, why
}

func TestAnswers(t *testing.T) {
	type reply struct {
		status int
		kind   string
		body   string
	}
	long := `{"gate":"open","why":"` + strings.Repeat("x", 70_000) + `"}`
	for _, tt := range []struct {
		name  string
		reply reply
		want  canary.Gate
		why   string
	}{
		{"200", reply{200, "text/plain", "ok"}, "open", "HOST answered 200 OK"},
		{"200 without a body", reply{200, "", ""}, "open", "HOST answered 200 OK"},
		{"202", reply{202, "", ""}, "closed", "HOST answered 202 Accepted"},
		{"409", reply{409, "", ""}, "closed", "HOST answered 409 Conflict"},
		{"423", reply{423, "", "locked"}, "closed", "HOST answered 423 Locked"},
		{"425", reply{425, "", ""}, "closed", "HOST answered 425 Too Early"},
		{"403", reply{403, "text/plain", "no"}, "denied", "HOST answered 403 Forbidden"},
		{"403 from a proxy", reply{403, "text/html", "<html>"}, "denied", "HOST answered 403 Forbidden"},
		{"the body's word over 200", reply{200, "application/json", `{"gate":"closed","why":"4 of 9 tests ran"}`}, "closed", "4 of 9 tests ran"},
		{"the body's word over 403", reply{403, "application/json", `{"gate":"open"}`}, "open", "HOST answered 403 Forbidden"},
		{"the body's word over 500", reply{500, "application/json", ` {"gate":"denied","why":"Ann says no"}`}, "denied", "Ann says no"},
		{"a reason beside the status", reply{202, "application/json", `{"why":"asked in #ops"}`}, "closed", "asked in #ops"},
		{"a reason that would act on a terminal", reply{403, "", "{\"why\":\"\\u001b[2Jno\\nway\"}"}, "denied", "[2Jno way"},
		{"a word that nobody knows", reply{200, "", `{"gate":"ajar"}`}, "closed", `HOST answered 200 OK with the gate "ajar", which is none of open, closed, denied`},
		{"no word at all", reply{200, "", `{"gate":7}`}, "closed", "HOST answered 200 OK with something that is no answer of a gate"},
		{"half a body", reply{200, "application/json", `{"gate":"op`}, "closed", "HOST answered 200 OK with something that is no answer of a gate"},
		{"the page of a login", reply{200, "text/html; charset=utf-8", "Sign in"}, "closed", "HOST answered 200 OK with something that is no answer of a gate"},
		{"a page without a type", reply{200, "", "<!doctype html>"}, "closed", "HOST answered 200 OK with something that is no answer of a gate"},
		{"too long to be read", reply{200, "application/json", long}, "closed", "HOST answered 200 OK with something that is no answer of a gate"},
		{"204", reply{204, "", ""}, "closed", "HOST answered 204 No Content, which says nothing about the gate"},
		{"401", reply{401, "", ""}, "closed", "HOST answered 401 Unauthorized, which says nothing about the gate"},
		{"404", reply{404, "", ""}, "closed", "HOST answered 404 Not Found, which says nothing about the gate"},
		{"503 to the end", reply{503, "", ""}, "closed", "HOST answered 503 Service Unavailable, which says nothing about the gate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := receive(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.reply.kind)
				w.WriteHeader(tt.reply.status)
				fmt.Fprint(w, tt.reply.body)
			})
			got, why := ask(t, hook.Gate{Webhook: &hook.Webhook{URL: server.URL}}, config(newLeap()))
			want := strings.ReplaceAll(tt.why, "HOST", server.host())
			if got != tt.want || why != want {
				t.Errorf("got %s, %q\nwant %s, %q", got, why, tt.want, want)
			}
		})
	}
}

func TestQuestionIsSigned(t *testing.T) {
	server := receive(t, func(int, http.ResponseWriter, *http.Request) {})
	file := held(t, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\nold words\n")
	ask(t, hook.Gate{Webhook: &hook.Webhook{URL: server.URL + "/qa", SecretFile: file}}, config(newLeap()))

	all := server.requests()
	if len(all) != 1 {
		t.Fatalf("%d requests", len(all))
	}
	verify(t, []byte("1\xf2\x90\xf6\xbf\x06)\x8a\xabO\x08\xd4<?\x08,\xf6H\xa3b\xda-\xa4\xb0"), all[0], noon())
	verify(t, []byte("old words"), all[0], noon())
	var body struct {
		Name, Before string
		Event        event.Event
	}
	if err := json.Unmarshal(all[0].body, &body); err != nil {
		t.Fatal(err)
	}
	if body.Name != "qa" || body.Before != "promotion" || body.Event.At.Weight != 50 || body.Event.Release.To != "v2" {
		t.Errorf("the gate was asked %s", all[0].body)
	}
}

// Whoever changes the key changes the file, and nothing else.
func TestSecretsAreReadAtEachUse(t *testing.T) {
	secret := "first of them"
	server := receive(t, func(i int, w http.ResponseWriter, _ *http.Request) {
		if i == 0 {
			secret = "second of them"
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	c := config(newLeap())
	c.Env = func(name string) string { return map[string]string{"KEY": secret, "WHERE": server.URL + "\n"}[name] }
	if got, why := ask(t, hook.Gate{Webhook: &hook.Webhook{URLEnv: "WHERE", SecretEnv: "KEY"}}, c); got != canary.GateOpen {
		t.Fatal(why)
	}
	all := server.requests()
	verify(t, []byte("first of them"), all[0], noon())
	verify(t, []byte("second of them"), all[1], noon().Add(500*time.Millisecond))
	if a, b := all[0].header.Get("webhook-id"), all[1].header.Get("webhook-id"); a != b || a == "" {
		t.Errorf("two attempts of one message are called %q and %q", a, b)
	}
}

func TestRetries(t *testing.T) {
	for _, tt := range []struct {
		name    string
		retries *int
		after   string
		fails   int
		waits   []time.Duration
		want    canary.Gate
	}{
		{"works at once", nil, "", 0, nil, "open"},
		{"the waits double", nil, "", 3, []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}, "open"},
		{"in vain", nil, "", 9, []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}, "closed"},
		{"as the server asks", times(1), "7", 1, []time.Duration{7 * time.Second}, "open"},
		{"until a date", times(1), "Sun, 01 Mar 2026 12:00:20 GMT", 1, []time.Duration{20 * time.Second}, "open"},
		{"not as long as it likes", times(1), "86400", 1, []time.Duration{time.Minute}, "open"},
		{"not for another week", times(1), "Sun, 08 Mar 2026 12:00:20 GMT", 1, []time.Duration{time.Minute}, "open"},
		{"no sooner than it would by itself", times(1), "0", 1, []time.Duration{500 * time.Millisecond}, "open"},
		{"none", times(0), "", 1, nil, "closed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock := newLeap()
			server := receive(t, func(i int, w http.ResponseWriter, _ *http.Request) {
				if i < tt.fails {
					w.Header().Set("Retry-After", tt.after)
					w.WriteHeader([]int{429, 500, 503}[i%3])
				}
			})
			got, why := ask(t, hook.Gate{Webhook: &hook.Webhook{URL: server.URL, Retries: tt.retries}}, config(clock))
			if got != tt.want {
				t.Errorf("got %s, want %s: %s", got, tt.want, why)
			}
			if diff := cmp.Diff(tt.waits, clock.waited()); diff != "" {
				t.Errorf("waits (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	const secret = "s3cr3t-and-long"
	silent := func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for _, tt := range []struct {
		name    string
		reply   func(int, http.ResponseWriter, *http.Request)
		timeout time.Duration
		why     string
	}{
		{"silence", silent, 30 * time.Millisecond, "no answer within 30ms"},
		{"half an answer", func(_ int, w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `{"gate":`)
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, 30 * time.Millisecond, "no answer within 30ms"},
		{"the connection is cut", func(int, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, time.Minute, "EOF"},
		{"the connection is reset", func(_ int, w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}, time.Minute, ": read: read: connection reset by peer"},
		{"no HTTP, and the path in it", func(_ int, w http.ResponseWriter, r *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			fmt.Fprintf(conn, "%s %s?\r\n\r\n", r.URL.Path, secret)
			conn.Close()
		}, time.Minute, "malformed HTTP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := receive(t, tt.reply)
			hook := hook.Webhook{
				URLFile: held(t, server.URL+"/services/"+secret), SecretFile: held(t, secret),
				Timeout: canary.Duration(tt.timeout), Retries: times(1),
			}
			clock := newLeap()
			got, why := ask(t, gateOf(hook), config(clock))
			if got != canary.GateClosed || !strings.Contains(why, tt.why) || !strings.Contains(why, server.host()) {
				t.Errorf("%s: %s", got, why)
			}
			if strings.Contains(why, secret) || strings.Contains(why, "services") {
				t.Errorf("it tells the secret: %s", why)
			}
			if waits := clock.waited(); len(waits) != 1 {
				t.Errorf("waited %v for another attempt", waits)
			}
		})
	}
}

func gateOf(w hook.Webhook) hook.Gate { return hook.Gate{Webhook: &w} }

// A server repeats what it was asked, as many do.
func TestSecretsStayInside(t *testing.T) {
	const secret, path = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "/services/T000/B000/XXXX?token=abc"
	server := receive(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"gate": "denied", "why": fmt.Sprintf("no route %s at http://%s%s for %s", r.RequestURI, r.Host, r.RequestURI, secret)})
	})
	_, why := ask(t, gateOf(hook.Webhook{URLFile: held(t, server.URL+path), SecretFile: held(t, secret)}), config(newLeap()))
	if want := "no route [redacted] at [redacted] for [redacted]"; why != want {
		t.Errorf("got %q, want %q", why, want)
	}
	for _, w := range []hook.Webhook{
		{URLFile: held(t, "hooks.example"+path)},
		{URLFile: held(t, "ftp://hooks.example"+path)},
		{URLFile: held(t, "https://hooks.example\x7f"+path)},
		{URL: server.URL, SecretFile: held(t, "whsec_no-base64-"+path)},
		{URLFile: held(t, "http://user:"+secret+"@127.0.0.1:1"+path), Retries: times(0)},
	} {
		got, why := ask(t, gateOf(w), config(newLeap()))
		if got != canary.GateClosed || strings.Contains(why, "services") || strings.Contains(why, "abc") || strings.Contains(why, secret) {
			t.Errorf("%s: %s", got, why)
		}
	}
}

func TestWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		hook hook.Webhook
		why  string
	}{
		{hook.Webhook{URLEnv: "WHERE"}, "read the URL: the variable WHERE is not set"},
		{hook.Webhook{URLFile: dir}, "read the URL: the file " + dir + " is no regular file"},
		{hook.Webhook{URL: "http://127.0.0.1:1", SecretEnv: "KEY"}, "read the key that signs: the variable KEY is not set"},
		{hook.Webhook{URL: "http://127.0.0.1:1", SecretFile: dir + "/none"}, "read the key that signs: stat " + dir + "/none: no such file or directory"},
		{hook.Webhook{URL: "http://127.0.0.1:1", SecretFile: held(t, "\n")}, "there is no key in it"},
	} {
		got, why := ask(t, gateOf(tt.hook), config(newLeap()))
		if got != canary.GateClosed || !strings.Contains(why, tt.why) {
			t.Errorf("%s: %q, want %q", got, why, tt.why)
		}
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	thief := receive(t, func(int, http.ResponseWriter, *http.Request) {})
	server := receive(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
	})
	got, why := ask(t, gateOf(hook.Webhook{URL: server.URL, SecretFile: held(t, "long enough")}), config(newLeap()))
	if got != canary.GateClosed || !strings.Contains(why, "no redirect is followed") || len(thief.requests()) != 0 {
		t.Errorf("%s: %s; %d requests went on", got, why, len(thief.requests()))
	}
}

func TestUnknownGate(t *testing.T) {
	gates, err := hook.NewGates(map[string]hook.Gate{"qa": {Command: &hook.Command{Args: []string{"true"}}, Every: canary.Duration(time.Minute)}}, hook.Config{})
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := gates.Ask(t.Context(), "Q&A", hook.Question{})
	if got != canary.GateClosed || !errors.Is(err, hook.ErrNoGate) || hint.Of(err) == "" || err.Error() != `ask the gate "Q&A": no such gate in the plan, which has qa` {
		t.Errorf("%s: %v", got, err)
	}
	if a, b := gates.Every("qa"), gates.Every("other"); a != time.Minute || b != 5*time.Second {
		t.Errorf("asked again after %s, by default %s", a, b)
	}
}

func TestAskEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := receive(t, func(_ int, _ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	gates, err := hook.NewGates(map[string]hook.Gate{"qa": gateOf(hook.Webhook{URL: server.URL})}, config(newLeap()))
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := gates.Ask(ctx, "qa", hook.Question{}); got != canary.GateClosed || !errors.Is(err, context.Canceled) {
		t.Errorf("%s: %v", got, err)
	}
	if n := len(server.requests()); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{MaxVersion: tls.VersionTLS11} // and no better
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	got, why := ask(t, gateOf(hook.Webhook{URL: server.URL, Retries: times(0)}), hook.Config{})
	if got != canary.GateClosed || !strings.Contains(why, "protocol version not supported") {
		t.Errorf("%s: %s", got, why)
	}
}
