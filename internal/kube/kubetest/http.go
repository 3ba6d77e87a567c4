package kubetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request, err := parse(r)
	if err != nil {
		respond(w, http.StatusBadRequest, apierrors.NewBadRequest(err.Error()).Status())
		return
	}
	plan := s.admit(request)
	if plan.drop {
		hangUp(w)
		return
	}
	if plan.notServed {
		http.NotFound(w, r) // a real server answers an unknown group without a Status
		return
	}
	if plan.status != nil {
		respond(w, int(plan.status.Code), *plan.status)
		return
	}
	if request.Verb == "watch" {
		s.watch(w, r, request)
		return
	}
	code, answer, event := s.handle(request, r)
	s.notify(event)
	if plan.dropAnswer {
		hangUp(w)
		return
	}
	respond(w, code, answer)
}

func (s *Server) handle(request Request, r *http.Request) (int, any, Event) {
	if request.Verb == "list" {
		list, err := s.list(request, r)
		return answer(http.StatusOK, list, Event{}, err)
	}
	if request.Subresource != "" && !request.scales() {
		err := apierrors.NewNotFound(request.key().groupResource(), request.Name+"/"+request.Subresource)
		return answer(0, nil, Event{}, err)
	}
	switch request.Verb {
	case "get":
		o, err := s.store.get(request.key())
		return answer(http.StatusOK, o, Event{}, err)
	case "create":
		e, err := s.create(request, r)
		return answer(http.StatusCreated, e.Object, e, err)
	case "update", "patch":
		e, err := s.store.update(request.key(), writeOf(r), func(old *unstructured.Unstructured) (*unstructured.Unstructured, error) {
			return modified(request, r.Header.Get("Content-Type"), old)
		})
		return answer(http.StatusOK, e.Object, e, err)
	case "delete":
		w := writeOf(r)
		w.dryRun = request.dry()
		e, err := s.store.update(request.key(), w, func(old *unstructured.Unstructured) (*unstructured.Unstructured, error) {
			return nil, deletable(request, old)
		})
		return answer(http.StatusOK, e.Object, e, err)
	}
	return answer(0, nil, Event{}, apierrors.NewMethodNotSupported(request.key().groupResource(), request.Verb))
}

func answer(code int, body any, e Event, err error) (int, any, Event) {
	if err == nil {
		return code, body, e
	}
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		st := status.Status()
		return int(st.Code), st, Event{}
	}
	st := apierrors.NewInternalError(err).Status()
	return int(st.Code), st, Event{}
}

func (s *Server) list(request Request, r *http.Request) (any, error) {
	selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	k := request.key()
	if name, ok := strings.CutPrefix(r.URL.Query().Get("fieldSelector"), "metadata.name="); ok {
		k.name = name
	}
	items, version := s.store.list(k, selector)
	if field, ok := strings.CutPrefix(r.URL.Query().Get("fieldSelector"), "involvedObject.name="); ok {
		items = about(items, field)
	}
	gv := schema.GroupVersion{Group: request.Group, Version: request.Version}
	return map[string]any{
		"apiVersion": gv.String(), "kind": "List",
		"metadata": map[string]any{"resourceVersion": version}, "items": items,
	}, nil
}

// about keeps the Events of one object.
func about(items []unstructured.Unstructured, name string) []unstructured.Unstructured {
	kept := []unstructured.Unstructured{}
	for _, o := range items {
		if n, _, _ := unstructured.NestedString(o.Object, "involvedObject", "name"); n == name {
			kept = append(kept, o)
		}
	}
	return kept
}

func (s *Server) create(request Request, r *http.Request) (Event, error) {
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON([]byte(request.Body)); err != nil {
		return Event{}, apierrors.NewBadRequest(err.Error())
	}
	k := request.key()
	k.name = o.GetName()
	o.SetNamespace(k.namespace)
	if k.namespace != "" {
		if _, err := s.store.get(key{resource: "namespaces", name: k.namespace}); err != nil {
			return Event{}, err
		}
	}
	return s.store.update(k, writeOf(r), func(old *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		if old != nil {
			return nil, apierrors.NewAlreadyExists(k.groupResource(), k.name)
		}
		return o, nil
	})
}

// modified is the object after an update or a patch.
func modified(request Request, contentType string, old *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	k := request.key()
	if old == nil {
		return nil, apierrors.NewNotFound(k.groupResource(), k.name)
	}
	data := []byte(request.Body)
	if request.Verb == "patch" {
		current, err := old.MarshalJSON()
		if err != nil {
			return nil, err
		}
		if data, err = patched(contentType, current, data); err != nil {
			return nil, err
		}
	}
	next := &unstructured.Unstructured{}
	if err := next.UnmarshalJSON(data); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	next.SetNamespace(k.namespace) // as a real server fills it in from the path
	if v := next.GetResourceVersion(); v != "" && v != old.GetResourceVersion() {
		return nil, apierrors.NewConflict(k.groupResource(), k.name, errors.New("the object has been modified; please apply your changes to the latest version and try again"))
	}
	return next, nil
}

// patched applies a patch. A JSON patch that cannot be applied, a failed test
// included, is answered as k8s.io/apiserver/pkg/endpoints/handlers/patch.go
// does: 422 and no word of which operation it was.
func patched(contentType string, current, patch []byte) ([]byte, error) {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	switch types.PatchType(media) {
	case types.JSONPatchType:
		p, err := jsonpatch.DecodePatch(patch)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		out, err := p.Apply(current)
		if err != nil {
			return nil, apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", err.Error(), 0, false)
		}
		return out, nil
	case types.MergePatchType, types.StrategicMergePatchType:
		return jsonpatch.MergePatch(current, patch)
	}
	return nil, apierrors.NewGenericServerResponse(http.StatusUnsupportedMediaType, "patch", schema.GroupResource{}, "", media, 0, false)
}

func deletable(request Request, old *unstructured.Unstructured) error {
	k := request.key()
	if old == nil {
		return apierrors.NewNotFound(k.groupResource(), k.name)
	}
	var options metav1.DeleteOptions
	if request.Body != "" {
		if err := json.Unmarshal([]byte(request.Body), &options); err != nil {
			return apierrors.NewBadRequest(err.Error())
		}
	}
	if p := options.Preconditions; p != nil && p.UID != nil && *p.UID != old.GetUID() {
		return apierrors.NewConflict(k.groupResource(), k.name, fmt.Errorf("the UID in the precondition (%s) does not match", *p.UID))
	}
	return nil
}

func writeOf(r *http.Request) write {
	q := r.URL.Query()
	w := write{manager: q.Get("fieldManager"), operation: "Update", dryRun: q.Get("dryRun") == "All"}
	if w.manager == "" {
		w.manager, _, _ = strings.Cut(r.UserAgent(), "/")
	}
	return w
}

func respond(w http.ResponseWriter, code int, body any) {
	if status, ok := body.(metav1.Status); ok {
		status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
		body = status
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client hung up; there is nobody to tell
}

func hangUp(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

// parse reads verb and object from the path, as the API server's
// RequestInfoFactory does.
func parse(r *http.Request) (Request, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return Request{}, err
	}
	request := Request{Query: r.URL.RawQuery, Body: string(body)}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		request.Version, parts = parts[1], parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		request.Group, request.Version, parts = parts[1], parts[2], parts[3:]
	default:
		return Request{}, fmt.Errorf("no resource in path %q", r.URL.Path)
	}
	if len(parts) > 2 && parts[0] == "namespaces" {
		request.Namespace, parts = parts[1], parts[2:]
	}
	request.Resource, parts = parts[0], parts[1:]
	if len(parts) > 0 {
		request.Name, request.Subresource = parts[0], strings.Join(parts[1:], "/")
	}
	request.Verb = verb(r, request.Name)
	return request, nil
}

func verb(r *http.Request, name string) string {
	switch r.Method {
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		return "delete"
	}
	if watch := r.URL.Query().Get("watch"); watch == "true" || watch == "1" {
		return "watch"
	}
	if name == "" {
		return "list"
	}
	return "get"
}

// scales reports whether it sets the number of a Deployment's Pods: a patch of its
// scale has the shape of one of the Deployment.
func (r Request) scales() bool {
	return r.Resource == "deployments" && r.Subresource == "scale" && r.Verb == "patch"
}

func (r Request) key() key { return key{r.Group, r.Resource, r.Namespace, r.Name} }
