package hook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// reply is the answer that a webhook may give in its body.
type reply struct {
	Gate *canary.Gate `json:"gate"`
	Why  string       `json:"why"`
}

// decisive reports whether the body says what the gate is, whatever the status.
func decisive(a answer) bool {
	r, ok := a.reply()
	return ok && r.Gate != nil
}

// reply reads the body. It returns false where that is meant for a program and
// none can read it.
func (a answer) reply() (reply, bool) {
	var r reply
	text := bytes.TrimSpace(a.body)
	kind, _, _ := mime.ParseMediaType(a.contentType)
	switch {
	case !a.whole, kind == "text/html", bytes.HasPrefix(text, []byte("<")):
		return r, false // the page of a login or a proxy, more likely than an answer
	case bytes.HasPrefix(text, []byte("{")):
		return r, json.Unmarshal(text, &r) == nil
	}
	return r, true
}

// judge reads an answer: the body's word first, then the status. Only what is
// clear opens or denies.
func judge(a answer) (canary.Gate, string) {
	r, ok := a.reply()
	why := said(plain(a.scrub(r.Why)), a.String())
	if ok && r.Gate != nil {
		switch *r.Gate {
		case canary.GateOpen, canary.GateClosed, canary.GateDenied:
			return *r.Gate, why
		}
		return canary.GateClosed, fmt.Sprintf("%s with the gate %q, which is none of open, closed, denied", a, plain(a.scrub(string(*r.Gate))))
	}
	switch {
	case a.status == http.StatusForbidden:
		return canary.GateDenied, why
	case a.status == http.StatusOK && ok:
		return canary.GateOpen, why
	case a.status == http.StatusOK:
		return canary.GateClosed, a.String() + " with something that is no answer of a gate"
	case a.status == http.StatusAccepted, a.status == http.StatusConflict, a.status == http.StatusLocked, a.status == http.StatusTooEarly:
		return canary.GateClosed, why
	case a.status >= 300 && a.status < 400:
		return canary.GateClosed, a.String() + ", and no redirect is followed; use the address that it leads to"
	}
	return canary.GateClosed, a.String() + ", which says nothing about the gate"
}
