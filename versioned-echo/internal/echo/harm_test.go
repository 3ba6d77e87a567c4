package echo

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// eachHTTP runs a test over both protocols, against a server with the faults.
func eachHTTP(t *testing.T, f Faults, test func(t *testing.T, s *Server, client *http.Client, url string)) {
	for name, client := range map[string]func(*testing.T) *http.Client{
		"HTTP/1.1": func(t *testing.T) *http.Client { return newClient(t, 1) },
		"HTTP/2":   newClient2,
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(func(c *Config) { c.DrainDelay, c.Faults = 0, f })
			url, stop := serve(t, s)
			defer func() {
				if err := stop(); err != nil {
					t.Errorf("Serve: %v", err)
				}
			}()
			test(t, s, client(t), url)
		})
	}
}

func (s *Server) counted(code string) float64 {
	return testutil.ToFloat64(s.meter.requests.WithLabelValues("/version", "GET", code))
}

func TestHangingRequestIsOpenUntilItsClientLeaves(t *testing.T) {
	f := NoFaults()
	f.HangShare = 1
	eachHTTP(t, f, func(t *testing.T, s *Server, client *http.Client, url string) {
		ctx, leave := context.WithCancel(t.Context())
		request, _ := http.NewRequestWithContext(ctx, http.MethodGet, url+"/version", nil)
		left := make(chan error, 1)
		go func() {
			_, err := client.Do(request)
			left <- err
		}()
		open := func() float64 { return testutil.ToFloat64(s.meter.inFlight) }
		eventually(t, "the request is open", func() bool { return open() == 1 })
		if s.counted("200") != 0 {
			t.Error("it is counted before it has ended")
		}
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("client got %v, want nothing", err)
		}
		eventually(t, "the request has ended", func() bool { return open() == 0 && s.counted("200") == 1 })
	})
}

// A broken answer looks good until its body ends too early.
func TestBrokenAnswer(t *testing.T) {
	f := NoFaults()
	f.BreakShare = 1
	eachHTTP(t, f, func(t *testing.T, s *Server, client *http.Client, url string) {
		response, err := client.Get(url + "/version")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if response.StatusCode != http.StatusOK || response.Header.Get("X-App-Version") != "v1" || response.ContentLength != 17 {
			t.Errorf("%s, version %q, length %d: want a good header", response.Status, response.Header.Get("X-App-Version"), response.ContentLength)
		}
		if err == nil || string(body) != `{"versio` {
			t.Errorf("body %q and error %v, want half of it and an error", body, err)
		}
		s.faults.set(NoFaults())
		if err := get(client, url+"/version"); err != nil {
			t.Error(err)
		}
		eventually(t, "the good one is counted", func() bool { return s.counted("200") == 1 })
	})
}

func TestResetBeforeTheAnswer(t *testing.T) {
	f := NoFaults()
	f.ResetShare = 1
	eachHTTP(t, f, func(t *testing.T, s *Server, client *http.Client, url string) {
		response, err := client.Post(url+"/cart", "text/plain", strings.NewReader("x")) // a GET, net/http would send again
		if err == nil {
			response.Body.Close()
			t.Errorf("answered with %s, want a cut connection", response.Status)
		}
		if response, err := client.Get(url + "/health"); err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("/health: %v: faults are for users", err)
		} else {
			response.Body.Close()
		}
	})
}
