package podscrape

import (
	"bytes"
	"strings"
)

// plain rewrites OpenMetrics as the older text form, which the parser knows: it
// leaves out exemplars and timestamps, and gives the type of a counter to its
// series, which end in _total there.
// https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
func plain(body []byte) []byte {
	var out bytes.Buffer
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSuffix(line, "\n")
		if comment, ok := strings.CutPrefix(line, "# "); ok {
			line = plainType(comment)
		} else {
			line = plainSample(line)
		}
		if line != "" {
			out.WriteString(line + "\n")
		}
	}
	return out.Bytes()
}

func plainType(comment string) string {
	f := strings.Fields(comment)
	if len(f) != 3 || f[0] != "TYPE" {
		return ""
	}
	switch f[2] {
	case "counter":
		return "# TYPE " + f[1] + "_total counter"
	case "histogram", "summary", "gauge":
		return "# TYPE " + f[1] + " " + f[2]
	}
	return ""
}

// plainSample keeps the name, the labels and the value.
func plainSample(line string) string {
	end := afterLabels(line)
	series, value := line[:end], strings.Fields(line[end:])
	name, _, _ := strings.Cut(series, "{")
	if len(value) == 0 || strings.HasSuffix(name, "_created") {
		return ""
	}
	return series + " " + value[0]
}

// afterLabels is where the value begins: behind the brace that is in no quotes,
// or behind the name.
func afterLabels(line string) int {
	space := strings.IndexByte(line, ' ')
	if brace := strings.IndexByte(line, '{'); brace < 0 || space >= 0 && space < brace {
		return max(space, 0)
	}
	quoted := false
	for i := 0; i < len(line); i++ {
		switch {
		case quoted && line[i] == '\\':
			i++
		case line[i] == '"':
			quoted = !quoted
		case line[i] == '}' && !quoted:
			return i + 1
		}
	}
	return len(line)
}
