// Command curl does what the documents ask of curl, for tests on a machine that has
// none. It refuses what it does not know.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// Exit statuses as in https://curl.se/docs/manpage.html#EXIT.
const (
	exitUsage      = 2
	exitNoAnswer   = 7
	exitIncomplete = 18
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

// options are those of curl that are known here.
type options struct {
	silent, refusedToo bool
	headers, form      []string
	retries, delay     int // delay in seconds
}

func run(ctx context.Context, args []string, out, problems io.Writer) int {
	var o options
	flags := pflag.NewFlagSet("curl", pflag.ContinueOnError)
	flags.SetOutput(problems)
	flags.BoolVarP(&o.silent, "silent", "s", false, "")
	flags.StringArrayVarP(&o.headers, "header", "H", nil, "")
	flags.StringArrayVar(&o.form, "data-urlencode", nil, "")
	flags.IntVar(&o.retries, "retry", 0, "")
	flags.IntVar(&o.delay, "retry-delay", 1, "")
	flags.BoolVar(&o.refusedToo, "retry-connrefused", false, "")
	if err := flags.Parse(args); err != nil || flags.NArg() != 1 {
		fmt.Fprintf(problems, "this stand-in for curl does not know: curl %s\n", strings.Join(args, " "))
		return exitUsage
	}
	answer, err := o.ask(ctx, flags.Arg(0))
	if err != nil {
		o.complain(problems, err)
		return exitNoAnswer
	}
	defer answer.Body.Close()
	if _, err := io.Copy(out, answer.Body); err != nil {
		o.complain(problems, err)
		return exitIncomplete
	}
	return 0
}

// ask sends the request, again where that was asked for and nobody listens yet.
func (o options) ask(ctx context.Context, address string) (*http.Response, error) {
	for tried := 0; ; tried++ {
		request, err := o.request(ctx, address)
		if err != nil {
			return nil, err
		}
		answer, err := http.DefaultClient.Do(request)
		if !errors.Is(err, syscall.ECONNREFUSED) || !o.refusedToo || tried >= o.retries {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Duration(o.delay) * time.Second):
		}
	}
}

func (o options) request(ctx context.Context, address string) (*http.Request, error) {
	method, body := http.MethodGet, url.Values{}
	for _, field := range o.form {
		name, value, _ := strings.Cut(field, "=")
		method, body[name] = http.MethodPost, append(body[name], value)
	}
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body.Encode()))
	if err != nil {
		return nil, err
	}
	if len(o.form) > 0 {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, line := range o.headers {
		name, value, _ := strings.Cut(line, ":")
		if value = strings.TrimSpace(value); strings.EqualFold(name, "Host") {
			request.Host = value
			continue
		}
		request.Header.Add(name, value)
	}
	return request, nil
}

func (o options) complain(problems io.Writer, err error) {
	if !o.silent {
		fmt.Fprintf(problems, "curl: %v\n", err)
	}
}
