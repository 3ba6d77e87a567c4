package echo

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/canaryctl/canaryctl/versioned-echo/internal/echopb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts the server on a free port. stop ends it and returns what Serve
// returned.
func serve(t *testing.T, s *Server) (url string, stop func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	return "http://" + l.Addr().String(), func() error { cancel(); return <-done }
}

func newClient(t *testing.T, connections int) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: connections}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// newClient2 speaks HTTP/2 without TLS, and keeps to one connection.
func newClient2(t *testing.T) *http.Client {
	t.Helper()
	client := newClient(t, 1)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	client.Transport.(*http.Transport).Protocols = protocols
	return client
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came that %s", what)
		}
	}
}

// Clients behave as those of a load balancer: they keep their connections open
// and send on and on until /health fails. Not one of their requests may be
// refused, reset or left unanswered.
func TestShutdownUnderLoadLosesNothing(t *testing.T) {
	for name, newAsk := range map[string]func(t *testing.T, url string) func() error{
		"HTTP/1.1": func(t *testing.T, url string) func() error {
			client := newClient(t, 16)
			return func() error { return get(client, url+"/version") }
		},
		"HTTP/2": func(t *testing.T, url string) func() error {
			client := newClient2(t)
			return func() error { return get(client, url+"/version") }
		},
		"gRPC": func(t *testing.T, url string) func() error {
			client := dial(t, url)
			return func() error {
				_, err := client.Echo(t.Context(), &echopb.EchoRequest{})
				return err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(func(c *Config) {
				c.DrainDelay = time.Second // the balancer has to notice, on a busy machine, too
				c.Faults.Latency, c.Faults.LatencyShare = Duration(20*time.Millisecond), .5
			})
			url, stop := serve(t, s)
			shutdownUnderLoad(t, newClient(t, 1), url, newAsk(t, url), stop)
		})
	}
}

func shutdownUnderLoad(t *testing.T, prober *http.Client, url string, ask, stop func() error) {
	const clients = 16
	var answered, lost atomic.Int64
	var leaving atomic.Bool
	var load sync.WaitGroup
	for range clients {
		load.Go(func() {
			for !leaving.Load() {
				if err := ask(); err != nil {
					lost.Add(1)
					t.Error(err)
				} else {
					answered.Add(1)
				}
			}
		})
	}
	var balancer sync.WaitGroup
	balancer.Go(func() {
		for get(prober, url+"/health") == nil {
			time.Sleep(5 * time.Millisecond) // the period of the probe
		}
		leaving.Store(true)
	})

	eventually(t, "the load runs", func() bool { return answered.Load() >= 10*clients })
	before := answered.Load()
	if err := stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	balancer.Wait()
	load.Wait()
	if lost.Load() != 0 || answered.Load() <= before {
		t.Errorf("%d lost, %d answered of which %d after the stop: want none lost and some after", lost.Load(), answered.Load(), answered.Load()-before)
	}
}

func TestDrainWaitsForTheRequestInFlight(t *testing.T) {
	s := newServer(func(c *Config) {
		c.DrainDelay = 0
		c.Faults.Latency = Duration(300 * time.Millisecond)
	})
	inFlight := meetFaults(s)
	url, stop := serve(t, s)
	client := newClient(t, 1)
	answer := make(chan error, 1)
	go func() { answer <- get(client, url+"/version") }()
	<-inFlight
	if err := stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if err := <-answer; err != nil {
		t.Errorf("request in flight: %v", err)
	}
}

func TestDrainGivesUpInTheEnd(t *testing.T) {
	s := newServer(func(c *Config) {
		c.DrainDelay, c.DrainTimeout = 0, 10*time.Millisecond
		c.Faults.Latency = Duration(maxLatency)
	})
	inFlight := meetFaults(s)
	url, stop := serve(t, s)
	client := newClient(t, 1)
	answer := make(chan error, 1)
	go func() { answer <- get(client, url+"/version") }()
	<-inFlight
	if err := stop(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Serve: %v, want a deadline", err)
	}
	if err := <-answer; err == nil {
		t.Error("request was answered, want a closed connection")
	}
}

func TestCrashEndsServe(t *testing.T) {
	s := newServer(func(c *Config) { c.Faults.CrashAfter = Duration(time.Millisecond) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(t.Context(), l); !errors.Is(err, ErrCrash) {
		t.Errorf("Serve: %v, want %v", err, ErrCrash)
	}
}

func TestRunSaysWhatItCannotBind(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := newServer(func(c *Config) { c.Host, c.Port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port })
	if err := s.Run(t.Context()); err == nil {
		t.Error("bound a port that is taken")
	}
}

func TestStopDuringTheStartDelay(t *testing.T) {
	s := newServer(func(c *Config) { c.StartDelay = time.Hour })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Errorf("Run: %v, want a clean end", err)
	}
}

// meetFaults returns a channel that closes when a request meets the faults, and
// so is in flight.
func meetFaults(s *Server) <-chan struct{} {
	met := make(chan struct{})
	once := sync.OnceFunc(func() { close(met) })
	s.faults.random = func() float64 { once(); return 0 }
	return met
}

func get(client *http.Client, url string) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New("status " + strconv.Itoa(response.StatusCode))
	}
	return nil
}

// A connection that a proxy has opened beforehand is as good for its first request as an
// idle one is for the next.
func TestNewConnectionsAreAsPatientAsIdleOnes(t *testing.T) {
	s := newServer(func(*Config) {}).httpServer()
	if s.ReadHeaderTimeout < s.IdleTimeout || s.ReadTimeout < s.IdleTimeout {
		t.Errorf("a new connection is closed after %s and %s, an idle one after %s", s.ReadHeaderTimeout, s.ReadTimeout, s.IdleTimeout)
	}
}
