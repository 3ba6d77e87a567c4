package cli

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/probe"
)

// nothing explains a probe that no version answered.
func (o *probeOptions) nothing(result probe.Result) error {
	current := result.Current()
	switch {
	case result.Sent == 0:
		return errors.New("nothing was sent")
	case current.Unknown != nil:
		return o.unnamed(*current.Unknown)
	}
	err := fmt.Errorf("no answer from %s: %s", o.config.URL, counted(current.Failures))
	switch {
	case current.Failures[probe.GivenUp] > 0:
		return hint.Wrap(err, "are the Pods ready, and do they answer? canaryctl status; --timeout says how long to wait")
	case current.Failures[probe.NoHTTP2] > 0:
		return hint.Wrap(err, "gRPC needs HTTP/2, which a server without TLS has to be told to speak (h2c)")
	}
	return hint.Wrap(err, "is anything listening there?")
}

// unnamed explains answers that name no version.
func (o *probeOptions) unnamed(a probe.Answers) error {
	switch {
	case o.config.GRPC && a.Codes["UNAVAILABLE"] == 0:
		return hint.Wrap(fmt.Errorf("no answer of %s names its version: %s", o.config.URL, codes(a.Codes)),
			"say which method is there (--grpc-method), and which metadata names the version (--version-header)")
	case a.Codes[strconv.Itoa(http.StatusNotFound)]+a.Errors == a.Requests:
		return hint.Wrap(fmt.Errorf("no version answered: %s from %s", codes(a.Codes), o.config.URL),
			"is the route there, and its Pods ready? canaryctl status")
	}
	return hint.Wrap(fmt.Errorf("no answer of %s names its version", o.config.URL),
		"say where it stands: --version-field for a field of JSON, --version-header for a header")
}
