package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	defaultTimeout = 10 * time.Second // of one attempt
	defaultRetries = 3
	mostAnswer     = 64 << 10 // bytes of an answer that are read
)

// message is one request's content. Its id is the same in all attempts, so that
// a receiver can tell an attempt from a new message.
type message struct {
	id          string
	contentType string
	body        []byte
}

// answer is what came back.
type answer struct {
	host        string
	status      int
	contentType string
	body        []byte
	whole       bool          // the body was no longer than mostAnswer
	after       time.Duration // Retry-After
	scrub       func(string) string
}

// String says it in words: "qa.example answered 202 Accepted".
func (a answer) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s answered %d %s", a.host, a.status, http.StatusText(a.status)))
}

// busy reports whether the same request may get a better answer soon.
func (a answer) busy() bool { return a.status == http.StatusTooManyRequests || a.status >= 500 }

// post is a message on its way to a webhook.
//
// A library (hashicorp/go-retryablehttp) would save the loop below and little
// else: every attempt is dated and signed anew, the wait can be cut short when a
// release ends, and no error may hold the address, which the library puts into
// its own.
type post struct {
	Config
	hook    Webhook
	message message
	// final reports whether an answer is one, though the server seems busy.
	final func(answer) bool
	// wait waits before another attempt, and returns false to make none.
	wait func(context.Context, time.Duration) bool
}

// send returns the first answer that is final, or the last one.
func (p post) send(ctx context.Context) (answer, error) {
	retries := defaultRetries
	if p.hook.Retries != nil {
		retries = *p.hook.Retries
	}
	for tried := 0; ; tried++ {
		to, err := p.target()
		if err != nil {
			return answer{}, err
		}
		a, err := p.once(ctx, to)
		if err == nil && (!a.busy() || p.final(a)) || ctx.Err() != nil || tried >= retries {
			return a, err
		}
		if !p.wait(ctx, p.backoff(tried, a.after)) {
			return a, err
		}
	}
}

// target is where a request goes and what signs it.
type target struct {
	url  *url.URL
	keys [][]byte
	// scrub takes the secrets out of what others say.
	scrub func(string) string
}

func (p post) target() (target, error) {
	text := p.hook.URL
	if text == "" {
		held, where, err := p.read(p.hook.URLFile, p.hook.URLEnv)
		if err != nil {
			return target{}, fmt.Errorf("read the URL: %w", err)
		}
		if _, err := address(strings.TrimSpace(held)); err != nil {
			return target{}, fmt.Errorf("read the URL in %s: %w", where, err)
		}
		text = strings.TrimSpace(held)
	}
	u, err := address(text)
	if err != nil {
		return target{}, err
	}
	secrets := []string{text, u.RequestURI()}
	if u.User != nil {
		secrets = append(secrets, u.User.String())
	}
	to := target{url: u}
	if p.hook.SecretFile != "" || p.hook.SecretEnv != "" {
		held, where, err := p.read(p.hook.SecretFile, p.hook.SecretEnv)
		if err != nil {
			return target{}, fmt.Errorf("read the key that signs: %w", err)
		}
		if to.keys, err = keys(held); err != nil {
			return target{}, fmt.Errorf("read the key in %s: %w", where, err)
		}
		secrets = append(secrets, strings.Fields(held)...)
	}
	to.scrub = scrubber(secrets)
	return to, nil
}

// once makes one attempt. Its errors name the host and nothing else of the URL.
func (p post) once(ctx context.Context, to target) (answer, error) {
	limit := p.hook.Timeout.Std()
	if limit == 0 {
		limit = defaultTimeout
	}
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	fail := func(err error) (answer, error) {
		if quoting, ok := errors.AsType[*url.Error](err); ok { // it quotes the URL
			err = quoting.Err
		}
		if op, ok := errors.AsType[*net.OpError](err); ok { // it names a port, another each time
			err = fmt.Errorf("%s: %w", op.Op, op.Err)
		}
		if ctx.Err() == nil && timed.Err() != nil {
			err = fmt.Errorf("no answer within %s", limit)
		}
		return answer{}, fmt.Errorf("POST to %s: %w", to.url.Host, scrubbed{err, to.scrub})
	}
	request, err := http.NewRequestWithContext(timed, http.MethodPost, to.url.String(), bytes.NewReader(p.message.body))
	if err != nil {
		return fail(err)
	}
	p.head(request.Header, to.keys)
	response, err := p.Client.Do(request)
	if err != nil {
		return fail(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer+1))
	if err != nil {
		return fail(err)
	}
	return answer{
		host: to.url.Host, status: response.StatusCode, contentType: response.Header.Get("Content-Type"),
		body: body, whole: len(body) <= mostAnswer, scrub: to.scrub,
		after: retryAfter(response.Header.Get("Retry-After"), p.Clock.Now()),
	}, nil
}

func (p post) head(h http.Header, keys [][]byte) {
	now := p.Clock.Now()
	h.Set("Content-Type", p.message.contentType)
	h.Set("User-Agent", "canaryctl")
	h.Set("webhook-id", p.message.id)
	h.Set("webhook-timestamp", timestamp(now))
	if len(keys) > 0 {
		h.Set("webhook-signature", signature(keys, p.message.id, now, p.message.body))
	}
}
