package stream

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/lab/internal/node/logs"
	"github.com/canaryctl/canaryctl/lab/internal/node/worker"
)

func (s *Server) logs(rw http.ResponseWriter, r *http.Request, pod *worker.Worker) {
	query := r.URL.Query()
	options, err := logOptions(query, time.Now())
	if err != nil {
		http.Error(rw, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	previous, _ := strconv.ParseBool(query.Get("previous"))
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	out := &flusher{rw: rw, flush: http.NewResponseController(rw).Flush}
	if options.Follow {
		_ = out.flush() // the client learns at once that there is a log, be it empty
		out.began = true
	}
	err = pod.ReadLog(r.Context(), r.PathValue("container"), previous, options, out)
	switch {
	case err == nil || out.began:
	case errors.Is(err, worker.ErrNoContainer):
		http.Error(rw, err.Error(), http.StatusNotFound)
	case errors.Is(err, logs.ErrNone):
		http.Error(rw, err.Error(), http.StatusBadRequest)
	default:
		http.Error(rw, err.Error(), http.StatusInternalServerError)
	}
}

// flusher sends every line at once: somebody may be watching.
type flusher struct {
	rw    http.ResponseWriter
	flush func() error
	began bool
}

func (f *flusher) Write(p []byte) (int, error) {
	f.began = true
	n, err := f.rw.Write(p)
	if err != nil {
		return n, err
	}
	return n, f.flush()
}

// logOptions reads the parameters of "kubectl logs", as PodLogOptions names them.
func logOptions(query url.Values, now time.Time) (logs.Options, error) {
	o := logs.Options{}
	for name, into := range map[string]*bool{"follow": &o.Follow, "timestamps": &o.Timestamps} {
		if text := query.Get(name); text != "" {
			value, err := strconv.ParseBool(text)
			if err != nil {
				return o, fmt.Errorf("%s: %q is neither true nor false", name, text)
			}
			*into = value
		}
	}
	for name, into := range map[string]**int64{"tailLines": &o.Tail, "limitBytes": &o.Limit} {
		if text := query.Get(name); text != "" {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n < 0 {
				return o, fmt.Errorf("%s: %q is not a whole number from 0 on", name, text)
			}
			*into = &n
		}
	}
	switch stream := query.Get("stream"); stream {
	case "", "All":
	case "Stdout", "Stderr":
		o.Stream = strings.ToLower(stream)
	default:
		return o, fmt.Errorf("stream: %q is not All, Stdout or Stderr", stream)
	}
	if text := query.Get("sinceSeconds"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 {
			return o, fmt.Errorf("sinceSeconds: %q is not a whole number from 1 on", text)
		}
		o.Since = now.Add(-time.Duration(n) * time.Second)
	}
	if text := query.Get("sinceTime"); text != "" {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return o, fmt.Errorf("sinceTime: %w", err)
		}
		o.Since = at
	}
	return o, nil
}
