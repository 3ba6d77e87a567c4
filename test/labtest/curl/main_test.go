package main

import (
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCurl(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Host, r.Header.Get("X-Canary"), r.FormValue("query"))
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	for _, tt := range []struct {
		name, line, want string
		code             int
	}{
		{"plain", "-s " + server.URL, "GET " + host + "  ", 0},
		{"headers", "-s -H Host:echo.localhost -H X-Canary:v2 " + server.URL + "/version", "GET echo.localhost v2 ", 0},
		{"a form, after the address", "-s " + server.URL + " --data-urlencode query=a{b='c'}", "POST " + host + "  a{b='c'}", 0},
		{"nobody listens", "-s http://127.0.0.1:1/", "", exitNoAnswer},
		{"more than it knows", "-s --compressed " + server.URL, "", exitUsage},
		{"two addresses", server.URL + " " + server.URL, "", exitUsage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if code := run(t.Context(), strings.Fields(tt.line), &out, io.Discard); code != tt.code || out.String() != tt.want {
				t.Errorf("%d: %q, want %d: %q", code, out.String(), tt.code, tt.want)
			}
		})
	}
}

// TestCurlWaitsForAServer has one listen after curl was refused once.
func TestCurlWaitsForAServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "here") })}
	defer server.Close()
	o := options{retries: math.MaxInt, refusedToo: true}
	refused := make(chan struct{})
	go func() {
		defer close(refused)
		if _, err := (options{}).ask(t.Context(), "http://"+address); err == nil {
			t.Error("somebody else listens there")
		}
		again, err := net.Listen("tcp", address)
		if err != nil {
			t.Error(err)
			return
		}
		go func() { _ = server.Serve(again) }()
	}()
	answer, err := o.ask(t.Context(), "http://"+address)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	<-refused
}
