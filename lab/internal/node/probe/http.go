package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// maxRedirects and maxBody are the kubelet's.
const (
	maxRedirects = 10
	maxBody      = 10 << 10
)

// httpCheck sends a GET. 200 to 399 is success; a redirect to another host is
// not followed, and counts as success, as with the kubelet.
//
// The spec's host, where it has one, only becomes the Host header: whatever it
// names, the container is what is asked.
func httpCheck(t Target, get *corev1.HTTPGetAction, port string) Check {
	client := &http.Client{
		Transport: &http.Transport{
			DialContext:       t.Dial,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // a kubelet does not verify whom it probes
			DisableKeepAlives: true,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if req.URL.Hostname() != via[0].URL.Hostname() {
				return http.ErrUseLastResponse
			}
			if len(via) >= maxRedirects {
				return errors.New("stopped after 10 redirects")
			}
			return nil
		},
	}
	target := probeURL(get, net.JoinHostPort(t.IP, port))
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		if err != nil {
			return err
		}
		setHeaders(req, get)
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody))
		if resp.StatusCode < http.StatusOK || resp.StatusCode >= http.StatusBadRequest {
			return fmt.Errorf("HTTP probe failed with statuscode: %d", resp.StatusCode)
		}
		return nil
	}
}

func probeURL(get *corev1.HTTPGetAction, host string) string {
	u, err := url.Parse(get.Path)
	if err != nil {
		u = &url.URL{Path: get.Path}
	}
	u.Scheme = strings.ToLower(string(get.Scheme))
	if u.Scheme == "" {
		u.Scheme = "http"
	}
	u.Host = host
	if !strings.HasPrefix(u.Path, "/") {
		u.Path = "/" + u.Path
	}
	return u.String()
}

func setHeaders(req *http.Request, get *corev1.HTTPGetAction) {
	req.Header.Set("User-Agent", "kube-probe/canary-lab")
	req.Header.Set("Accept", "*/*")
	if get.Host != "" {
		req.Host = get.Host
	}
	for _, header := range get.HTTPHeaders {
		req.Header.Add(header.Name, header.Value)
		if strings.EqualFold(header.Name, "Host") {
			req.Host = header.Value
		}
	}
}
