// Package lease sees to it that one engine at a time drives a route. The lease is
// a coordination.k8s.io Lease beside the route, and each renewal also carries the
// state that the next engine goes on from, so that saving it costs no write of
// its own.
//
// client-go's leaderelection is not used: its renewals can carry no data, and it
// notices a take-over only at the next of them, while an engine must stand back
// within a second.
//
// Nothing depends on there being only one holder: an engine's writes of the route
// are fenced, so the second one's are refused. The lease keeps two engines from
// trying, and tells people who drives.
package lease

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
)

// What can stand in the way.
var (
	// ErrHeld: another engine holds the lease and is alive; see HeldError.
	ErrHeld = errors.New("another engine drives the release")
	// ErrLost: another engine has taken the lease over.
	ErrLost = errors.New("the lease is lost")
	// ErrTooLarge: the state is longer than MaxState. The lease is held all the
	// same: keep it with a smaller state.
	ErrTooLarge = errors.New("the state is too large to be saved")
)

// MaxState is how long a saved state may be, in bytes. All annotations of an
// object together may have 256 KiB
// (k8s.io/apimachinery/pkg/api/validation.TotalAnnotationSizeLimitB).
const MaxState = 200 << 10

// Config says which lease, and as whom.
type Config struct {
	Client dynamic.Interface
	// Namespace and Name are the route object's; Apart tells its release from others
	// in the same object, and is empty where there are none.
	Namespace, Name, Apart string
	// Identity tells this engine from all others and is shown to people. A Lease
	// that only looks needs none.
	Identity string
	// Duration is how long the lease lasts after a renewal, and Renew the time
	// between two; zero for 15 s and 5 s.
	Duration, Renew time.Duration
	Clock           clock.Clock // nil is the system's
	// Owner is the route; with it, the lease is garbage collected. It must not
	// block the route's deletion, which takes rights of its own. May be nil.
	Owner *metav1.OwnerReference
}

// Lease is one route's. Its methods may be called from several goroutines, but
// one engine does only one of them at a time, Save aside.
type Lease struct {
	Config
	urgent chan struct{}

	mu    sync.Mutex
	held  *unstructured.Unstructured // as we wrote it last; nil where we do not hold it
	since time.Time                  // of that write, by our clock
	sight sight
}

// New returns a lease that nobody has looked at yet.
func New(c Config) *Lease {
	if c.Duration == 0 {
		c.Duration = 15 * time.Second
	}
	if c.Renew == 0 {
		c.Renew = 5 * time.Second
	}
	if c.Clock == nil {
		c.Clock = clock.RealClock{}
	}
	return &Lease{Config: c, urgent: make(chan struct{}, 1)}
}

// maxName is the length of an object's name (RFC 1123, DNS subdomain).
const maxName = 253

// Object is the name of the Lease of a release of a route: one that would be too long
// is cut and told from others by a hash.
func Object(route, apart string) string {
	key, name := route, "canaryctl-"+route
	if apart != "" {
		key = apart + "." + route
		name = "canaryctl." + key
	}
	if len(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(key))
	tail := "-" + hex.EncodeToString(sum[:6])
	return name[:maxName-len(tail)] + tail
}

func (l *Lease) object() string { return Object(l.Name, l.Apart) }

func (l *Lease) client() dynamic.ResourceInterface {
	return l.Client.Resource(kube.Leases()).Namespace(l.Namespace)
}

// String names the object: "Lease default/canaryctl-echo".
func (l *Lease) String() string { return "Lease " + l.Namespace + "/" + l.object() }

// Holder is who drives. The zero value is nobody.
type Holder struct {
	Identity string
	Since    time.Time // when it took the lease
	Renewed  time.Time // when it last said that it is alive
}

// HeldError says who holds the lease. It wraps ErrHeld.
type HeldError struct {
	Holder         string
	Since, Renewed time.Time
	// Ends is how much longer the lease lasts if it is not renewed: an estimate,
	// for the holder's clock is another.
	Ends time.Duration
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("%v: %s, since %s", ErrHeld, e.Holder, e.Since.Local().Format("15:04:05"))
}

// Unwrap is ErrHeld.
func (e *HeldError) Unwrap() error { return ErrHeld }

func (l *Lease) heldBy(r record) error {
	return hint.Wrap(&HeldError{Holder: r.Identity, Since: r.Since, Renewed: r.Renewed, Ends: l.ends(r)},
		"watch it with canaryctl status -w, or take the release over with --take-over")
}

func lostTo(r record) error {
	if r.Identity == "" {
		return hint.Wrap(fmt.Errorf("%w: it was given up in our name", ErrLost), "canaryctl resume goes on")
	}
	return hint.Wrap(fmt.Errorf("%w: %s has taken the release over", ErrLost, r.Identity), "canaryctl status -w shows what becomes of it")
}
