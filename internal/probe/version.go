package probe

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// FieldVersion takes the version from a top-level field of a JSON answer, text
// or number.
func FieldVersion(field string) func(http.Header, []byte) string {
	return func(_ http.Header, body []byte) string {
		var fields map[string]json.RawMessage
		if json.Unmarshal(body, &fields) != nil {
			return ""
		}
		var v any
		if json.Unmarshal(fields[field], &v) != nil {
			return ""
		}
		switch v := v.(type) {
		case string:
			return v
		case float64:
			return strconv.FormatFloat(v, 'f', -1, 64)
		}
		return ""
	}
}

// HeaderVersion takes the version from a header of the answer.
func HeaderVersion(name string) func(http.Header, []byte) string {
	return func(h http.Header, _ []byte) string { return h.Get(name) }
}

// DefaultHeader is the header that names a version where nothing else is said.
const DefaultHeader = "X-App-Version"

// FirstVersion asks one after the other until an answer says something: a body
// that broke off names no version, and a header may.
func FirstVersion(ask ...func(http.Header, []byte) string) func(http.Header, []byte) string {
	return func(h http.Header, body []byte) string {
		for _, version := range ask {
			if v := version(h, body); v != "" {
				return v
			}
		}
		return ""
	}
}
