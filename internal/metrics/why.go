package metrics

import (
	"slices"
	"strconv"
	"strings"
)

// flagWords are what Envoy's response flags say of a request that went wrong, for
// people; see
// https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#response-flags
func flagWords(flag string) string {
	switch flag {
	case "UT":
		return "time-out of the route"
	case "DC", "DR":
		return "the user left"
	case "UC":
		return "the connection ended before the answer"
	case "UR":
		return "reset by the Pod"
	case "UPE":
		return "the answer broke off"
	case "UF":
		return "no connection to the Pod"
	case "UH":
		return "no healthy Pod"
	case "UO":
		return "more than the connection pool takes"
	case "NC":
		return "no such subset"
	case "UMSDR":
		return "longer than a stream may last"
	}
	return ""
}

// why is how a request went wrong, in words, by some labels of its series: "503",
// "504, time-out of the route", "gRPC Internal". It is empty where they say nothing.
func why(labels map[string]string, names []string) string {
	var parts []string
	grpc := ""
	for _, name := range names {
		value, _ := first(strings.Split(name, "|"), labels)
		switch {
		case value == "" || value == "-":
		case strings.Contains(name, "flags"):
			for flag := range strings.SplitSeq(value, ",") {
				if words := flagWords(flag); words != "" && !slices.Contains(parts, words) {
					parts = append(parts, words)
				}
			}
		case strings.Contains(name, "grpc") || strings.Contains(name, "rpc_"):
			if status, err := ParseGRPCStatus(value); err == nil && status != "OK" {
				grpc = "gRPC " + status
			}
		default:
			if code, err := strconv.Atoi(value); err != nil || code > 0 {
				parts = append(parts, value)
			}
		}
	}
	if grpc != "" { // whose HTTP code is 200 whatever becomes of the call
		parts = slices.DeleteFunc(parts, func(p string) bool { return p == "200" })
		for i := range parts {
			if parts[i] == flagWords("UT") { // Envoy also keeps the deadline that the call names
				parts[i] = "time-out of the route or the caller's deadline"
			}
		}
		parts = append([]string{grpc}, parts...)
	}
	return strings.Join(parts, ", ")
}
