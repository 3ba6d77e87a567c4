package failing

import (
	"fmt"
	"net/http"
	"strconv"
)

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	s.handled.Add(1)
	failure, value := s.failure(r.Header.Get(Header))
	switch failure {
	case "":
		fmt.Fprintln(w, "hello")
	case "status":
		status, err := strconv.Atoi(value)
		if err != nil {
			status = http.StatusBadRequest
		}
		w.WriteHeader(status)
	case Hang:
		<-r.Context().Done()
	case Stream:
		fmt.Fprintln(w, "first")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	case Break:
		w.Header().Set("Content-Length", "1000")
		fmt.Fprintln(w, "half of an answer")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // net/http's way to close the connection
	case Upgrade:
		upgrade(w)
	case Reset:
		panic(http.ErrAbortHandler)
	default:
		http.Error(w, "no failure is called "+failure, http.StatusBadRequest)
	}
}

// upgrade switches to a protocol of lines, each of which comes back, until one is
// "end" or the client goes.
func upgrade(w http.ResponseWriter) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	for {
		line, err := buffered.ReadString('\n')
		if err != nil || line == "end\n" {
			return
		}
		fmt.Fprint(conn, line)
	}
}
