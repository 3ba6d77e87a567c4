package metrics

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Condition is what the labels of a request must match, all of them; see Instrument.
// {grpc-failed} stands for the gRPC statuses that are the server's fault, in every
// spelling that a library has for them.
type Condition map[string]string

// statusOf are the names of gRPC's statuses, by number, as gRPC's Go library and
// those after it write them; see
// https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
func statusNames() []string {
	return []string{"OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
		"PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented",
		"Internal", "Unavailable", "DataLoss", "Unauthenticated"}
}

// DefaultGRPCFailed are the statuses that count as failed where nobody says:
// Unknown, DeadlineExceeded, Unimplemented, Internal, Unavailable and DataLoss.
// docs/analyze.md says what others take for errors.
func DefaultGRPCFailed() []string {
	return []string{"Unknown", "DeadlineExceeded", "Unimplemented", "Internal", "Unavailable", "DataLoss"}
}

// ParseGRPCStatus returns the name of a status: from a number, or a name in any
// spelling (Unavailable, UNAVAILABLE, unavailable, DEADLINE_EXCEEDED).
func ParseGRPCStatus(text string) (string, error) {
	names := statusNames()
	if n, err := strconv.Atoi(text); err == nil {
		if n >= 0 && n < len(names) {
			return names[n], nil
		}
		return "", fmt.Errorf("%d is no gRPC status: they go from 0 to %d", n, len(names)-1)
	}
	bare := strings.ToLower(strings.ReplaceAll(text, "_", ""))
	if bare == "cancelled" { // as gRPC's own document spells it
		bare = "canceled"
	}
	for _, name := range names {
		if strings.ToLower(name) == bare {
			return name, nil
		}
	}
	return "", fmt.Errorf("%q is no gRPC status; they are %s", text, strings.Join(names, ", "))
}

// ParseFailedStatus is ParseGRPCStatus of one that can count as failed.
func ParseFailedStatus(text string) (string, error) {
	name, err := ParseGRPCStatus(text)
	if name == "OK" {
		err = errors.New("OK is the status of a call that did not fail")
	}
	return name, err
}

// spellings is a pattern of all ways in which the statuses are written: 14 (Istio,
// OpenTelemetry until 2025), Unavailable (gRPC's Go library), UNAVAILABLE
// (OpenTelemetry since, Java) and unavailable (Connect).
func spellings(statuses []string) string {
	var all []string
	for n, name := range statusNames() {
		if !slices.Contains(statuses, name) {
			continue
		}
		snake := snakeCase(name)
		all = append(all, strconv.Itoa(n), name, strings.ToUpper(snake), snake)
		if name == "Canceled" {
			all = append(all, "CANCELLED")
		}
	}
	if all == nil {
		return "[^\\s\\S]" // none: nothing matches
	}
	return strings.Join(all, "|")
}

// snakeCase is DeadlineExceeded as deadline_exceeded; OK has no parts.
func snakeCase(name string) string {
	if name == "OK" {
		return "ok"
	}
	var b strings.Builder
	for i, r := range name {
		if r >= 'A' && r <= 'Z' && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

const grpcFailed = "{grpc-failed}"

// compileAny compiles conditions of which one must hold. An empty one would always.
func compileAny(conditions []Condition, failed []string) ([][]matcher, error) {
	var all [][]matcher
	for _, c := range conditions {
		if len(c) == 0 {
			return nil, fmt.Errorf("a condition names no label")
		}
		filled := maps.Clone(c)
		for label, pattern := range filled {
			filled[label] = strings.ReplaceAll(pattern, grpcFailed, spellings(failed))
		}
		m, err := matchers(filled)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// matchAny reports whether one of the conditions holds.
func matchAny(conditions [][]matcher, labels map[string]string) bool {
	return slices.ContainsFunc(conditions, func(c []matcher) bool { return matchAll(c, labels) })
}
