package hook

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The example that the Standard Webhooks publish.
func TestSignatureAsPublished(t *testing.T) {
	all, err := keys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
	if err != nil {
		t.Fatal(err)
	}
	got := signature(all, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signed %s, want %s", got, want)
	}
}

func TestKeys(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
		err        string
	}{
		{"base64", "whsec_aGVsbG8gd29ybGQ=\n", []string{"hello world"}, ""},
		{"raw", "  correct horse battery  ", []string{"correct horse battery"}, ""},
		{"two while they change", "whsec_bmV3\r\n\nold\n", []string{"new", "old"}, ""},
		{"no base64", "whsec_tr0ub4dor&3", nil, "what follows whsec_ is no base64"},
		{"nothing after the prefix", "whsec_", nil, "what follows whsec_ is no base64"},
		{"empty", " \n", nil, "there is no key in it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all, err := keys(tt.text)
			if got := text(err); got != tt.err {
				t.Fatalf("error %q, want %q", got, tt.err)
			}
			var got []string
			for _, key := range all {
				got = append(got, string(key))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "soon": 0, "-5": 0, "7": 7 * time.Second,
		"999999999999999":               time.Minute, // as long as anybody waits
		"Sun, 01 Mar 2026 12:00:30 GMT": 30 * time.Second,
		"Sun, 01 Mar 2026 11:00:00 GMT": 0,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("Retry-After %q: %s, want %s", value, got, want)
		}
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var out tail
	for range 3 {
		out.Write(make([]byte, mostAnswer-1))
		out.Write([]byte("\nall is \x1b[31mwell\x1b[0m\n\n"))
	}
	if got := out.last(); got != "all is [31mwell[0m" || len(out.text) > mostAnswer {
		t.Errorf("kept %d bytes that end with %q", len(out.text), got)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
