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
