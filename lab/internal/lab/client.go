package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// controlTimeout is long for a lab that only has to answer.
const controlTimeout = 5 * time.Second

// Client asks a running lab through its control socket.
type Client struct {
	dir  Dir
	http *http.Client
}

// NewClient returns a client of the lab in dir. It keeps no connection.
func NewClient(dir Dir) *Client {
	return &Client{dir, &http.Client{Timeout: controlTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", dir.socket())
		},
	}}}
}

// Status asks how the lab is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var status Status
	body, err := c.do(ctx, http.MethodGet, "/status", nil)
	if err != nil {
		return status, fmt.Errorf("ask the lab how it is: %w", err)
	}
	if err := json.Unmarshal(body, &status); err != nil {
		return status, fmt.Errorf("read what the lab says about itself: %w", err)
	}
	return status, nil
}

// Load has an executable stand for an image.
func (c *Client) Load(ctx context.Context, name, path string) error {
	body, err := json.Marshal(loadRequest{name, path})
	if err != nil {
		return err
	}
	if _, err := c.do(ctx, http.MethodPost, "/images", body); err != nil {
		return fmt.Errorf("load image %s: %w", name, err)
	}
	return nil
}

// Stop asks the lab to stop, and does not wait.
func (c *Client) Stop(ctx context.Context) error {
	if _, err := c.do(ctx, http.MethodPost, "/stop", nil); err != nil {
		return fmt.Errorf("ask the lab to stop: %w", err)
	}
	return nil
}

func (c *Client) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	if _, err := c.dir.ReadState(); err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://lab"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= http.StatusBadRequest {
		return nil, errors.New(strings.TrimSpace(string(answer)))
	}
	return answer, nil
}
