package cli

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/pflag"
)

// demoMethod is what versioned-echo answers over gRPC.
const demoMethod = "canaryctl.echo.v1.Echo/Echo"

// completeGRPC checks the flags of gRPC, and those that do not go with it.
func (o *probeOptions) completeGRPC(flags *pflag.FlagSet) error {
	o.config.GRPC = o.config.GRPC || flags.Changed("grpc-method")
	switch {
	case !o.config.GRPC && flags.Changed("connections"):
		return usagef("--connections is for gRPC calls (--grpc); other requests take as many as they need")
	case !o.config.GRPC:
		return nil
	case flags.Changed("version-field"):
		return usagef("a gRPC answer names its version in its metadata (--version-header), and in no field")
	}
	o.method = strings.TrimPrefix(o.method, "/")
	if service, method, ok := strings.Cut(o.method, "/"); !ok || service == "" || method == "" || strings.Contains(method, "/") {
		return usagef("--grpc-method %s: want SERVICE/METHOD, such as %s", o.method, demoMethod)
	}
	return nil
}

// path is where the lab's router is asked.
func (o *probeOptions) path() string {
	if o.config.GRPC {
		return o.method
	}
	return "version"
}

// addMethod adds the method to a URL that was given for gRPC calls: gRPC knows no
// other paths.
func (o *probeOptions) addMethod() error {
	if !o.config.GRPC {
		return nil
	}
	u, err := url.Parse(o.config.URL)
	if err != nil {
		return fmt.Errorf("call %s at %s: %w", o.method, o.config.URL, err)
	}
	o.config.URL = u.JoinPath(o.method).String()
	return nil
}
