package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// maxRequest bounds what the control socket reads, in bytes.
const maxRequest = 64 << 10

// serveControl answers on the control socket until ctx ends.
func (l *Lab) serveControl(ctx context.Context, listener net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(l.Status())
	})
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		l.stop()
	})
	mux.HandleFunc("POST /images", func(w http.ResponseWriter, r *http.Request) {
		var image loadRequest
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&image); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := l.load(image.Name, image.Path); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the control socket: %w", err)
	}
	return nil
}

type loadRequest struct {
	Name string `json:"name"`
	Path string `json:"path"`
}

// load has an executable stand for an image from now on, in this run and later ones.
func (l *Lab) load(name, path string) error {
	if err := l.parts.load(name, path); err != nil {
		return err
	}
	return l.config.Dir.rememberImages(map[string]string{name: path})
}
