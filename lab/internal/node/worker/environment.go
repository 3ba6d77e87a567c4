package worker

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/canaryctl/canaryctl/lab/internal/node/environ"
	"github.com/canaryctl/canaryctl/lab/internal/node/process"
)

// mapping is a port of the container and the loopback port that answers it.
type mapping struct {
	name string
	port uint16
	at   uint16
}

// ports returns the ports of a container, by what it says of them: the ones it
// declares, else the one that it is told to listen on.
func ports(c *corev1.Container) []mapping {
	var out []mapping
	for _, p := range c.Ports {
		if p.Protocol == "" || p.Protocol == corev1.ProtocolTCP {
			out = append(out, mapping{name: p.Name, port: uint16(p.ContainerPort)})
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, v := range c.Env {
		if n, err := strconv.ParseUint(v.Value, 10, 16); v.Name == "PORT" && err == nil && n > 0 {
			return []mapping{{port: uint16(n)}}
		}
	}
	return nil
}

// listen takes a loopback port for each port of the container.
func (w *Worker) listen(ctx context.Context, c *container) ([]mapping, error) {
	wanted := ports(c.spec)
	for i := range wanted {
		at, err := w.Ports.Take(ctx)
		if err != nil {
			w.unlisten(wanted[:i])
			return nil, err
		}
		wanted[i].at = at
		w.Net.Map(w.ip, wanted[i].port, loopback(at))
	}
	return wanted, nil
}

func (w *Worker) unlisten(ports []mapping) {
	for _, m := range ports {
		if w.ip.IsValid() {
			w.Net.Unmap(w.ip, m.port)
		}
		w.Ports.Give(m.at)
	}
}

// command works out what to run for a container, and in which environment.
func (w *Worker) command(ctx context.Context, c *container, run func(command, args []string) []string, ports []mapping) (process.Command, error) {
	env, err := environ.Build(ctx, w.Source, environ.Container{
		Pod: w.pod, Spec: c.spec, At: w.addresses(), Forced: forced(ports),
	})
	if err != nil {
		return process.Command{}, err
	}
	root := w.root(c)
	w.defaults(env, c, root)
	expand := func(words []string) []string {
		out := make([]string, len(words))
		for i, word := range words {
			out[i] = environ.Expand(word, env.Lookup)
		}
		return out
	}
	return process.Command{
		Argv:  run(expand(c.spec.Command), expand(c.spec.Args)),
		Env:   env.Strings(),
		Dir:   filepath.Join(root, filepath.Join("/", c.spec.WorkingDir)),
		TTY:   c.spec.TTY,
		Stdin: c.spec.Stdin,
	}, nil
}

// forced are the variables that win over the spec's. All Pods share this
// machine's loopback address, so a container that says PORT=8080 for itself
// cannot have 8080: it gets a port of its own, and the Pod network leads
// (Pod address, 8080) there.
func forced(ports []mapping) map[string]string {
	vars := map[string]string{"HOST": "127.0.0.1"}
	for i, m := range ports {
		at := strconv.Itoa(int(m.at))
		if i == 0 {
			vars["PORT"] = at
		}
		name := m.name
		if name == "" {
			name = strconv.Itoa(int(m.port))
		}
		vars["PORT_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = at
	}
	return vars
}

// defaults are what a container finds unless its spec says otherwise.
func (w *Worker) defaults(env *environ.Env, c *container, root string) {
	path := w.Path
	if w.ToolDir != "" {
		path = w.ToolDir + string(filepath.ListSeparator) + path
	}
	env.Default("PATH", path)
	env.Default("HOME", root)
	env.Default("TMPDIR", filepath.Join(root, "tmp"))
	env.Default("LAB_ROOT", root)
	env.Default("HOSTNAME", w.pod.Name)
	env.Default("POD_NAME", w.pod.Name)
	if c.spec.TTY {
		env.Default("TERM", "xterm")
	}
	if w.ProxyURL == "" {
		return
	}
	for _, name := range []string{"http_proxy", "HTTP_PROXY"} {
		env.Default(name, w.proxy())
	}
	for _, name := range []string{"no_proxy", "NO_PROXY"} {
		env.Default(name, "localhost,127.0.0.1")
	}
}

// proxy is the router's address, with the Pod's name as credentials: they tell
// the router who asks, so that a short host name means one of the Pod's own
// namespace and requests are counted for the right source. They are no secret.
func (w *Worker) proxy() string {
	u, err := url.Parse(w.ProxyURL)
	if err != nil {
		return w.ProxyURL
	}
	u.User = url.UserPassword(w.pod.Namespace, w.pod.Name)
	return fmt.Sprint(u)
}
