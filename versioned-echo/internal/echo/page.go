package echo

import (
	_ "embed"
	"html/template"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

//go:embed page.html
var pageHTML string

// report is what "/" says of itself and of the request.
type report struct {
	Version string  `json:"version"`
	Pod     string  `json:"pod"`
	Request request `json:"request"`
}

type request struct {
	Method  string            `json:"method"`
	Host    string            `json:"host"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers"`
}

// echo answers with JSON, or with a page when a browser asks.
func (s *Server) echo(w http.ResponseWriter, r *http.Request) {
	answer := report{
		Version: s.cfg.Version,
		Pod:     s.cfg.Pod,
		Request: request{Method: r.Method, Host: r.Host, Path: r.URL.Path, Headers: tellingHeaders(r.Header)},
	}
	w.Header().Set("Vary", "Accept")
	w.Header().Set("Cache-Control", "no-store")
	if !prefersHTML(r.Header.Get("Accept")) {
		writeJSON(w, http.StatusOK, answer)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_ = s.page.Execute(w, answer)
}

func parsePage() *template.Template {
	return template.Must(template.New("page").Parse(pageHTML))
}

// tellingHeaders picks the headers that explain how a request was routed.
// Others may carry credentials, which an echo must not repeat.
func tellingHeaders(h http.Header) map[string]string {
	telling := make(map[string]string)
	for _, name := range []string{
		"Accept", "User-Agent", "Traceparent", "X-Canary", "X-Request-Id",
		"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Envoy-Original-Path",
	} {
		if v := h.Get(name); v != "" {
			telling[name] = v
		}
	}
	return telling
}

// prefersHTML reads an Accept header (RFC 9110, section 12.5.1) as far as two
// representations need: HTML must be named, and weigh no less than JSON.
func prefersHTML(accept string) bool {
	var html, json float64
	for part := range strings.SplitSeq(accept, ",") {
		kind, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if v, err := strconv.ParseFloat(parameters["q"], 64); err == nil {
			q = v
		}
		switch kind {
		case "text/html":
			html = q
		case "application/json":
			json = q
		}
	}
	return html > 0 && html >= json
}
