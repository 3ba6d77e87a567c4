package kubetest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// CutWatches ends every watch that is open, as a server does that restarts, or
// has served one for long enough.
func (s *Server) CutWatches() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.watches)
	s.watches = make(chan struct{})
}

// Forget makes the server answer 410 to whoever wants to go on from a version
// before the present one.
func (s *Server) Forget() { s.store.forget() }

// OnWatch calls hook whenever a watch has told of all that there is, with the
// server unlocked.
func (s *Server) OnWatch(hook func(Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onWatch = append(s.onWatch, hook)
}

// watch streams the events after the resourceVersion in the query.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, request Request) {
	k, query := request.key(), r.URL.Query()
	if name, ok := strings.CutPrefix(query.Get("fieldSelector"), "metadata.name="); ok {
		k.name = name
	}
	selector, err := labels.Parse(query.Get("labelSelector"))
	if err != nil {
		respond(w, http.StatusBadRequest, apierrors.NewBadRequest(err.Error()).Status())
		return
	}
	from, _ := strconv.Atoi(query.Get("resourceVersion")) // "" means from the beginning
	s.mu.Lock()
	cut, hooks := s.watches, append([]func(Request){}, s.onWatch...)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	stream := stream{json.NewEncoder(w)}
	switch {
	case query.Get("sendInitialEvents") == "true":
		from = s.sendInitial(stream, request, k, selector)
	case from > 0 && s.store.forgotten(from):
		stream.send("ERROR", gone(from))
		return
	}
	for {
		events, next, more, open := s.store.since(k, from)
		for _, e := range events {
			if selector.Matches(labels.Set(e.Object.GetLabels())) {
				stream.send(e.Type, e.Object)
			}
		}
		_ = http.NewResponseController(w).Flush()
		if !open {
			return
		}
		for _, hook := range hooks {
			hook(request)
		}
		hooks, from = nil, next
		select {
		case <-more:
		case <-cut:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// sendInitial streams what there is and the bookmark that says it was all, and
// returns the version to go on from
// (https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists).
func (s *Server) sendInitial(stream stream, request Request, k key, selector labels.Selector) int {
	items, version := s.store.list(k, selector)
	for _, o := range items {
		stream.send("ADDED", o.Object)
	}
	stream.send("BOOKMARK", map[string]any{
		"apiVersion": schema.GroupVersion{Group: request.Group, Version: request.Version}.String(), "kind": "Bookmark",
		"metadata": map[string]any{"resourceVersion": version, "annotations": map[string]any{metav1.InitialEventsAnnotationKey: "true"}},
	})
	from, _ := strconv.Atoi(version) // it was made of a number
	return from
}

type stream struct{ *json.Encoder }

func (s stream) send(kind string, object any) {
	_ = s.Encode(map[string]any{"type": kind, "object": object}) // a client that left ends its request's context
}

func gone(version int) metav1.Status {
	status := apierrors.NewResourceExpired("too old resource version: " + strconv.Itoa(version)).Status()
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	return status
}
