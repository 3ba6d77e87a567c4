package echo

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/coder/websocket"
)

// websocket greets with the version and the Pod, and then echoes every message
// until the client leaves or the service ends.
func (s *Server) websocket(w http.ResponseWriter, r *http.Request) {
	s.sockets.Add(1) // http.Server forgets connections that were taken over
	defer s.sockets.Done()
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = c.CloseNow() }()
	ended := make(chan struct{})
	defer close(ended)
	s.sockets.Go(func() {
		select {
		case <-s.leaving:
			_ = c.Close(websocket.StatusGoingAway, "the service ends")
		case <-ended:
		}
	})

	ctx := context.WithoutCancel(r.Context()) // nobody watches over it once the connection is ours
	greeting, _ := json.Marshal(map[string]string{"version": s.cfg.Version, "pod": s.cfg.Pod})
	for message, kind := greeting, websocket.MessageText; ; {
		if c.Write(ctx, kind, message) != nil || harmOf(r.Context()).failure == broken {
			return
		}
		if kind, message, err = c.Read(ctx); err != nil {
			return
		}
	}
}
