package hook

import (
	"crypto/tls"
	"math/rand/v2"
	"net/http"
	"os"

	"k8s.io/utils/clock"
)

// Config is what hooks need of the world. The zero value is the real one.
type Config struct {
	// Client sends the requests; nil for one of its own, which heeds the usual
	// proxy variables. It is copied, and the copy follows no redirects.
	Client *http.Client
	// Clock dates requests and waits between attempts; nil for the machine's.
	// Jitter is a number from 0 to 1 that spreads the waits; nil for a random one.
	Clock  clock.Clock
	Jitter func() float64
	// Env looks up a variable; nil for os.Getenv.
	Env func(string) string
	// Warn is told, in a sentence, of a notification that fails; one call at a
	// time. Nil for nobody.
	Warn func(text string)
}

// completed is the config with what was left out.
func (c Config) completed() Config {
	if c.Client == nil {
		c.Client = &http.Client{Transport: transport()}
	}
	// The signature was made for one address. Who answers there must not be able
	// to have it sent to another.
	client := *c.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Client = &client
	if c.Clock == nil {
		c.Clock = clock.RealClock{}
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	if c.Env == nil {
		c.Env = os.Getenv
	}
	if c.Warn == nil {
		c.Warn = func(string) {}
	}
	return c
}

// transport keeps no connections: requests are seconds apart, and a connection
// that a proxy has meanwhile forgotten costs more than a new one.
func transport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:      true,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: mostAnswer,
	}
}
