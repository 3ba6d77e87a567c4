package hook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/hook"
)

var update = flag.Bool("update", false, "write what is sent into docs/hooks.md")

const page = "../../docs/hooks.md"

// TestDocs holds docs/hooks.md to what is sent.
func TestDocs(t *testing.T) {
	sent := map[string]string{"gate": sentToGate(t), "environment": sentToCommand(t)}
	sent["cloudevent"], sent["slack"] = sentToTargets(t)
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	block := regexp.MustCompile("(?s)(<!-- written by a test: ([a-z]+) -->\n```[a-z]+\n).*?```")
	got := block.ReplaceAllStringFunc(string(text), func(old string) string {
		m := block.FindStringSubmatch(old)
		found = append(found, m[2])
		return m[1] + sent[m[2]] + "```"
	})
	if want := slices.Sorted(maps.Keys(sent)); !slices.Equal(slices.Sorted(slices.Values(found)), want) {
		t.Errorf("%s has blocks for %v, want %v", page, found, want)
	}
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(got, string(text)); diff != "" {
		t.Errorf("%s differs from what is sent (-sent +page); go test ./internal/hook -run Docs -update writes it:\n%s", page, diff)
	}
}

// shown is a request as the page shows it.
func shown(t *testing.T, g got) string {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\n", g.path)
	for _, name := range []string{"Content-Type", "User-Agent", "webhook-id", "webhook-timestamp", "webhook-signature"} {
		if value := g.header.Get(name); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	b.WriteString("\n")
	if err := json.Indent(&b, g.body, "", "  "); err != nil {
		t.Fatal(err)
	}
	return b.String() + "\n"
}

func sentToGate(t *testing.T) string {
	server := receive(t, func(int, http.ResponseWriter, *http.Request) {})
	ask(t, gateOf(hook.Webhook{URL: server.URL + "/owners", SecretFile: held(t, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")}), config(newLeap()))
	return shown(t, server.requests()[0])
}

func sentToTargets(t *testing.T) (cloudEvent, slack string) {
	server := receive(t, func(int, http.ResponseWriter, *http.Request) {})
	words := receive(t, func(int, http.ResponseWriter, *http.Request) {})
	n := notifier(t, config(newLeap()),
		hook.Notification{Webhook: &hook.Webhook{URL: server.URL + "/releases", SecretFile: held(t, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")}},
		hook.Notification{Slack: &hook.Webhook{URL: words.URL + "/services/T000/B000/XXXX"}},
	)
	e := happened(event.Promoted, 2, 100, "the canary is shown to be bad less than 1.5 times as often")
	e.At.Phase, e.At.Basis = canary.Promoted, canary.Proved
	ratio, lower, upper := 0.9, 0.5, 1.4
	e.Known = &event.Known{
		Verdict: canary.Pass, Why: e.Message, Source: "prometheus",
		Metrics: []event.Metric{{
			Name: "errors", Verdict: canary.Pass, Stable: event.Arm{Requests: 48210, Bad: 97}, Canary: event.Arm{Requests: 21032, Bad: 38},
			Ratio: &ratio, Lower: &lower, Upper: &upper, LogE: -2.1, Threshold: 3, LogPass: 3.2, PassAt: 3,
		}},
	}
	n.Notify(e)
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return shown(t, server.requests()[0]), shown(t, words.requests()[0])
}

// sentToCommand is the environment, by a program that is this test.
func sentToCommand(t *testing.T) string {
	file := filepath.Join(t.TempDir(), "environment")
	t.Setenv("HOOK_TEST_WRITES", file)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ask(t, hook.Gate{Command: &hook.Command{Args: []string{program, "-test.run=^TestWritesEnvironment$"}}}, config(newLeap()))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestWritesEnvironment is the program of sentToCommand, and no test by itself.
func TestWritesEnvironment(t *testing.T) {
	file := os.Getenv("HOOK_TEST_WRITES")
	if file == "" {
		t.Skip("sentToCommand runs it")
	}
	var lines []string
	for _, variable := range os.Environ() {
		if strings.HasPrefix(variable, "CANARYCTL_") {
			lines = append(lines, variable+"\n")
		}
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// fenced is the first block of a language on the page.
func fenced(t *testing.T, language string) []byte {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatalf("%s has no block of %s", page, language)
	}
	return m[1]
}

func TestPlanOfTheDocs(t *testing.T) {
	var plan struct {
		Spec struct {
			Confirm map[string]string
			Gates   map[string]hook.Gate
			Notify  []hook.Notification
		}
	}
	var raw any
	if err := yaml.Unmarshal(fenced(t, "yaml"), &raw); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&plan); err != nil {
		t.Fatal(err)
	}
	if _, err := hook.NewGates(plan.Spec.Gates, hook.Config{}); err != nil {
		t.Error(err)
	}
	n, err := hook.NewNotifier(plan.Spec.Notify, hook.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for when, name := range plan.Spec.Confirm {
		if _, ok := plan.Spec.Gates[name]; !ok {
			t.Errorf("confirm.%s names %s, which is no gate", when, name)
		}
	}
}

// The receiver of the page, as it stands there, understands what is sent.
func TestReceiverOfTheDocs(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string][]byte{"main.go": fenced(t, "go"), "go.mod": []byte("module receiver\n\ngo 1.26\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", "receiver.exe", ".")
	build.Dir, build.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	address := free(t)
	ctx, stop := context.WithCancel(t.Context())
	receiver := exec.CommandContext(ctx, filepath.Join(dir, "receiver.exe"))
	receiver.Dir, receiver.Env = dir, append(os.Environ(), "GATE_KEY=a key of ours", "LISTEN="+address)
	if err := receiver.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { stop(); _ = receiver.Wait() }()
	listening(t, address)

	c := config(nil)
	c.Clock = nil // it looks at its own
	gate := hook.Webhook{URL: "http://" + address, SecretFile: held(t, "a key of ours")}
	if got, why := ask(t, gateOf(gate), c); got != canary.GateClosed || why != "nobody has approved versioned-echo:v2" {
		t.Errorf("before: %s: %s", got, why)
	}
	if err := os.WriteFile(filepath.Join(dir, "approved"), []byte("versioned-echo:v2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, why := ask(t, gateOf(gate), c); got != canary.GateOpen || why != "versioned-echo:v2 is approved" {
		t.Errorf("approved: %s: %s", got, why)
	}
	if got, why := ask(t, gateOf(gate), config(newLeap())); got != canary.GateClosed || !strings.Contains(why, "401") {
		t.Errorf("signed long ago: %s: %s", got, why)
	}
	gate.SecretFile = held(t, "another key")
	if got, why := ask(t, gateOf(gate), c); got != canary.GateClosed || !strings.Contains(why, "401") {
		t.Errorf("another key: %s: %s", got, why)
	}
}

// free is a loopback address that nothing listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// listening waits until something does.
func listening(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
