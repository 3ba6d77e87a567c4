package kubetest

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Fault decides whether a request fails, and how: nil lets it pass.
type Fault func(Request) error

// NotServed is a Fault's answer for a group or resource that the server does not
// know at all.
type NotServed struct{}

func (NotServed) Error() string { return "the server could not find the requested resource" }

// Fail installs a fault; the first that returns an error decides. An error that
// is an API status is answered as such, any other as 500.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
}

// Forbid refuses verb on resource ("" means any) in the authorizer's words.
func (s *Server) Forbid(verb, resource string) {
	s.Fail(func(r Request) error {
		if verb != r.Verb || resource != "" && resource != r.Resource {
			return nil
		}
		return forbidden(r)
	})
}

// Conflict answers the next n writes of a resource with 409, and runs between
// (which may be nil) before each: somebody else's change.
func (s *Server) Conflict(n int, resource string, between func()) {
	var answered atomic.Int64
	s.Fail(func(r Request) error {
		if r.Resource != resource || (r.Verb != "patch" && r.Verb != "update") || answered.Add(1) > int64(n) {
			return nil
		}
		if between != nil {
			between()
		}
		return apierrors.NewConflict(r.key().groupResource(), r.Name, fmt.Errorf("somebody was faster"))
	})
}

// Unserve makes the server forget an API group, as before its CRDs are installed.
func (s *Server) Unserve(group string) {
	s.Fail(func(r Request) error {
		if r.Group == group {
			return NotServed{}
		}
		return nil
	})
}

// Heal removes every fault and cut.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.cut = nil, neverCut()
}

// cut breaks connections, as if the client were killed between two calls.
type cut struct {
	left   int  // requests that still pass
	silent bool // the last of them is carried out, but its answer is lost
	broke  chan struct{}
}

// fell tells, once, that a connection was broken. The server is locked.
func (c *cut) fell() {
	select {
	case <-c.broke:
	default:
		close(c.broke)
	}
}

func neverCut() cut { return cut{left: math.MaxInt} }

// CutAfter lets n more requests pass and then breaks every connection. Where
// lost is true, the nth is carried out but its answer never arrives. The channel
// is closed when the first connection breaks: the moment to kill the client.
func (s *Server) CutAfter(n int, lost bool) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = cut{left: n, silent: lost, broke: make(chan struct{})}
	return s.cut.broke
}

// verdict is what becomes of a request before it is looked at.
type verdict struct {
	drop, dropAnswer, notServed bool
	status                      *metav1.Status
}

func (s *Server) admit(r Request) verdict {
	s.mu.Lock()
	s.requests = append(s.requests, r)
	if s.cut.left <= 0 {
		s.cut.fell()
		s.mu.Unlock()
		return verdict{drop: true}
	}
	s.cut.left--
	v := verdict{dropAnswer: s.cut.silent && s.cut.left == 0}
	if v.dropAnswer {
		s.cut.fell()
	}
	faults := append([]Fault{s.authorize(s.rules)}, s.faults...)
	s.mu.Unlock()
	for _, fault := range faults {
		if err := fault(r); err != nil {
			return v.failing(err)
		}
	}
	return v
}

// failing is the verdict on a request that a fault answers.
func (v verdict) failing(err error) verdict {
	if errors.Is(err, NotServed{}) {
		v.notServed = true
		return v
	}
	status := apierrors.NewInternalError(err).Status()
	if s := apierrors.APIStatus(nil); errors.As(err, &s) {
		status = s.Status()
	}
	v.status = &status
	return v
}
