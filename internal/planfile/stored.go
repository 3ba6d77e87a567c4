package planfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/hook"
)

// maxStored is how many bytes a route carries of a plan. Kubernetes allows 256 KiB
// for all annotations of an object, and others have some too.
const maxStored = 96 << 10

// Hash tells one document from another by what decides: the plan, the method, the
// names of the gates. Who is told, and where a gate is asked, do not count. It is
// empty only of a document that is not valid.
func (d Document) Hash() string {
	text, err := json.Marshal(struct {
		Plan     canary.Plan     `json:"plan"`
		Analysis analysis.Config `json:"analysis"`
		Failed   []GRPCStatus    `json:"grpcFailed,omitzero"`
		WarmUp   canary.Duration `json:"warmUp"`
		Gates    []string        `json:"gates"`
	}{d.Plan(), d.Spec.Analysis.Config(), d.Spec.Analysis.GRPCFailed, d.Spec.Analysis.WarmUp, slices.Sorted(maps.Keys(d.Spec.Gates))})
	if err != nil {
		return "" // NaN or Inf
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// Stored is what the route carries under canary.PlanAnnotation: compact JSON with
// everything said, so that another version with other defaults follows the same
// plan. Secrets are in no plan, only where to find them.
func (d Document) Stored() ([]byte, error) {
	if err := d.Validate(); err != nil {
		return nil, fmt.Errorf("store the plan: %w", err)
	}
	return d.stored()
}

func (d Document) stored() ([]byte, error) {
	d.Spec.Confirm = d.confirm()
	return json.Marshal(d)
}

// Load reads what Stored wrote. Whoever may write the route may have written it:
// see Foreign before anything of it is run or read here. An error wraps
// ErrInvalid.
func Load(stored []byte) (Document, error) {
	var d Document
	if len(stored) > MaxSize {
		return d, fmt.Errorf("%w: the plan in the route has %d bytes, and a plan has at most %d", ErrInvalid, len(stored), MaxSize)
	}
	decoder := json.NewDecoder(bytes.NewReader(stored))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return d, hint.Wrap(fmt.Errorf("%w: the plan in the route: %w", ErrInvalid, err),
			"a newer canaryctl may have written it; resume with that one, or roll back")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return d, fmt.Errorf("%w: the plan in the route: something follows it", ErrInvalid)
	}
	if err := d.Validate(); err != nil {
		return d, fmt.Errorf("the plan in the route: %w", err)
	}
	return d, nil
}

// Foreign lists what the document would run, read and send to from this machine,
// which may reach what its author cannot, in its order, each with the field that says so; nil for nothing. One that came from a
// route is obeyed in that only if somebody here agrees.
func (d Document) Foreign() []string {
	var all []string
	add := func(what, value, field string) {
		if value != "" {
			all = append(all, fmt.Sprintf("%s %s (%s)", what, value, field))
		}
	}
	webhook := func(w *hook.Webhook, at string) {
		if w == nil {
			return
		}
		add("send requests to", w.URL, at+".url")
		add("read the file", w.URLFile, at+".urlFile")
		add("read the environment variable", w.URLEnv, at+".urlEnv")
		add("read the file", w.SecretFile, at+".secretFile")
		add("read the environment variable", w.SecretEnv, at+".secretEnv")
	}
	command := func(c *hook.Command, at string) {
		if c != nil {
			add("run", quoted(c.Args), at+".args")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Spec.Gates)) {
		gate, at := d.Spec.Gates[name], "spec.gates."+name
		webhook(gate.Webhook, at+".webhook")
		command(gate.Command, at+".command")
	}
	for i, n := range d.Spec.Notify {
		at := fmt.Sprintf("spec.notify[%d]", i)
		webhook(n.Webhook, at+".webhook")
		webhook(n.Slack, at+".slack")
		command(n.Command, at+".command")
	}
	return all
}

// quoted shows where each argument ends.
func quoted(args []string) string {
	texts := make([]string, len(args))
	for i, arg := range args {
		texts[i] = fmt.Sprintf("%q", arg)
	}
	return strings.Join(texts, " ")
}
