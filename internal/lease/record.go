package lease

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/kube"
)

// The annotations in which a Lease carries a State.
const (
	evidenceAnnotation = "canaryctl.io/evidence"
	// knownAnnotation and waitsAnnotation are for whoever asks how the release does.
	knownAnnotation = "canaryctl.io/known"
	waitsAnnotation = "canaryctl.io/waits"
)

// State is what each renewal carries. The zero value is nothing.
type State struct {
	// Evidence is what the next engine goes on from.
	Evidence string
	// Known is what is known of the canary, as JSON, and Waits the sentence of what
	// the release waits for: for people.
	Known, Waits string
}

func (s State) annotations() map[string]string {
	return map[string]string{evidenceAnnotation: s.Evidence, knownAnnotation: s.Known, waitsAnnotation: s.Waits}
}

// record is what a Lease says.
type record struct {
	Holder
	duration    time.Duration
	transitions int64
	state       string
	version     string
}

// recordOf reads a Lease; what it does not say is zero.
func recordOf(o *unstructured.Unstructured) record {
	r := record{state: o.GetAnnotations()[evidenceAnnotation], version: o.GetResourceVersion()}
	r.Identity, _, _ = unstructured.NestedString(o.Object, "spec", "holderIdentity")
	r.Since = timeIn(o, "acquireTime")
	r.Renewed = timeIn(o, "renewTime")
	seconds, _, _ := unstructured.NestedInt64(o.Object, "spec", "leaseDurationSeconds")
	r.duration = time.Duration(seconds) * time.Second
	r.transitions, _, _ = unstructured.NestedInt64(o.Object, "spec", "leaseTransitions")
	return r
}

func timeIn(o *unstructured.Unstructured, field string) time.Time {
	text, _, _ := unstructured.NestedString(o.Object, "spec", field)
	t, err := time.Parse(metav1.RFC3339Micro, text)
	if err != nil {
		t, _ = time.Parse(time.RFC3339, text) // as other writers put it
	}
	return t
}

// blank is a Lease that does not exist yet.
func (l *Lease) blank() *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(kube.Leases().GroupVersion().WithKind("Lease"))
	o.SetNamespace(l.Namespace)
	o.SetName(l.object())
	o.SetLabels(map[string]string{"app.kubernetes.io/managed-by": kube.FieldManager})
	return o
}

// ours is the Lease as it is once we have taken or renewed it.
func (l *Lease) ours(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = o.DeepCopy()
	before, now := recordOf(o), l.Clock.Now()
	spec := map[string]any{}
	if old, ok := o.Object["spec"].(map[string]any); ok {
		spec = old
	}
	if before.Identity != l.Identity {
		spec["acquireTime"] = stamp(now)
		if before.version != "" {
			spec["leaseTransitions"] = before.transitions + 1
		}
	}
	spec["holderIdentity"] = l.Identity
	spec["renewTime"] = stamp(now)
	spec["leaseDurationSeconds"] = int64((l.Duration + time.Second - 1) / time.Second)
	o.Object["spec"] = spec
	if l.Owner != nil && len(o.GetOwnerReferences()) == 0 {
		o.SetOwnerReferences([]metav1.OwnerReference{*l.Owner})
	}
	return o
}

// nobodys is the Lease once we have given it up.
func (l *Lease) nobodys(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = l.ours(o)
	unstructured.RemoveNestedField(o.Object, "spec", "holderIdentity")
	return o
}

func stamp(t time.Time) string { return t.UTC().Format(metav1.RFC3339Micro) }

// save puts the state into a Lease, and takes out what is empty.
func save(o *unstructured.Unstructured, state State) error {
	if length := len(state.Evidence) + len(state.Known) + len(state.Waits); length > MaxState {
		return fmt.Errorf("%w: %d KiB, and at most %d", ErrTooLarge, length>>10, MaxState>>10)
	}
	all := o.GetAnnotations()
	if all == nil {
		all = map[string]string{}
	}
	for name, value := range state.annotations() {
		if all[name] = value; value == "" {
			delete(all, name)
		}
	}
	o.SetAnnotations(all)
	return nil
}

// sight is since when we know, by our clock, that the holder has been silent.
type sight struct {
	version string
	silent  time.Time
}

// look takes note of a Lease.
//
// The first time, the holder's own word is taken for when it renewed: machines
// keep their clocks within seconds, and whoever takes a release up after a crash
// need not wait longer than the lease lasts. Should the clocks differ by more than
// that, a live holder loses the lease, notices within a second and stands back;
// no harm is done, for routes are written behind a fence. A renewal that lies in
// the future is no clock's to trust: silence counts from now. And once we have
// seen it renew, only our own clock counts.
func (l *Lease) look(r record) {
	if r.version == l.sight.version {
		return
	}
	now := l.Clock.Now()
	silent := now
	if l.sight.version == "" && r.Renewed.Before(now) {
		silent = r.Renewed
	}
	l.sight = sight{r.version, silent}
}

// ends is how much longer a Lease that was looked at lasts without a renewal.
func (l *Lease) ends(r record) time.Duration {
	return l.sight.silent.Add(r.duration).Sub(l.Clock.Now())
}

// free reports whether a Lease that was looked at may be taken by us.
func (l *Lease) free(r record) bool {
	return r.Identity == "" || r.Identity == l.Identity || l.ends(r) <= 0
}
