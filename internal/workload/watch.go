package workload

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/workload/diagnosis"
)

// Sight is what a Watch sees: the versions as they are, or why they cannot be
// known now. Beside an error the rest is what was known last, if anything was.
type Sight struct {
	Err error
	// Pods of all versions that are watched, by name, as Health has them.
	Pods []Health
	// Deployments by version. Each version that is watched is there.
	Deployments map[string]Deployed
}

// Ready counts the ready Pods of a version.
func (s Sight) Ready(version string) int {
	n := 0
	for _, p := range s.Pods {
		if p.Version == version && p.Ready {
			n++
		}
	}
	return n
}

// Deployed is a version's Deployment at one moment.
type Deployed struct {
	// Gone says that there is none; the rest is empty then. Deleting says that
	// somebody deletes it.
	Gone, Deleting bool
	Name           string
	// Template tells one Pod template from another: a short hash of it.
	Template string
	// Image is the application's, where it is clear which container that is.
	Image string
	// Author is who changed the spec last, as the API server recorded it: a field
	// manager and a time.
	Author string
	// Desired is how many Pods it asks for; Replicas, Updated and Ready are how many
	// there are, are of the present template, and are ready.
	Desired, Replicas, Updated, Ready int
	// RolledOut says that all Pods are of the present template, and ready.
	RolledOut bool
	// Undoable says that Unroll can give it the template that it had before a Roll.
	Undoable bool
	// Problem is why they will never be, once it has lasted longer than such
	// problems may; nil for none that is known.
	Problem *diagnosis.Problem
	// Backend is what has its Pods get requests; none where they get none.
	Backend canary.Backend
	// Object is the Deployment itself, with every field that it has. It is shared:
	// whoever wants to change it copies it.
	Object *unstructured.Unstructured
}

// Watch tells seen of the Pods and Deployments of versions as they are, and again
// after every change, one call at a time, until the context ends: that is its error.
// It outlives everything else: what cannot be known is told in Sight.Err, and tried
// again within about a second. One version in two Deployments is such an error, which
// wraps ErrDuplicate.
//
// It costs two requests that last, and a few more now and then while a version is
// not ready, to find out why.
func (d Deployments) Watch(ctx context.Context, versions []string, seen func(Sight)) error {
	pods, err := selected(kube.Pods(), d.podsOf(versions))
	if err != nil {
		return fmt.Errorf("watch %s in namespace %s: %w", d.app, d.namespace, err)
	}
	w := &watcher{deployments: d, watches: newWatches(), versions: map[string]*watchedVersion{}}
	for _, v := range versions {
		w.versions[v] = &watchedVersion{}
	}
	ticker := d.clock.NewTicker(time.Second)
	defer ticker.Stop()
	within, stop := context.WithCancel(ctx)
	defer w.watches.running.Wait()
	defer stop()
	follow(within, w.watches, d, pods, w.hearPods)
	follow(within, w.watches, d, selection{resource: kube.Deployments()}, w.hearDeployments)
	for w.watches.next(within, ticker.C()) {
		if w.examine(within); w.changed && w.known() {
			w.changed = false
			seen(w.sight())
		}
	}
	return ctx.Err()
}

// watcher is what a Watch knows. All of it belongs to the loop.
type watcher struct {
	deployments Deployments
	watches     *watches

	pods     []corev1.Pod
	versions map[string]*watchedVersion
	// Whether they were ever known, and what keeps them from being known now.
	sawPods, sawDeployments bool
	noPods, noDeployments   error
	changed                 bool // since seen was told
}

// watchedVersion is one of them: nil objects before there is a Deployment.
type watchedVersion struct {
	object      *unstructured.Unstructured
	deployment  *appsv1.Deployment
	duplicate   string // the name of a second Deployment of this version
	examination examination
	asking      bool // evidence is being read
	problem     *diagnosis.Problem
}

// known reports whether there is anything to tell: the first sight is whole.
func (w *watcher) known() bool {
	return w.noPods != nil || w.noDeployments != nil || w.sawPods && w.sawDeployments
}

func (w *watcher) hearPods(_ []*unstructured.Unstructured, pods []corev1.Pod, err error) {
	w.noPods, w.changed = err, true
	if err == nil {
		w.pods, w.sawPods = pods, true
	}
}

func (w *watcher) hearDeployments(objects []*unstructured.Unstructured, found []appsv1.Deployment, err error) {
	if err != nil {
		w.noDeployments, w.changed = err, true
		return
	}
	before := w.seen()
	w.changed = w.changed || w.noDeployments != nil || !w.sawDeployments
	w.noDeployments, w.sawDeployments = nil, true
	for _, v := range w.versions {
		v.object, v.deployment, v.duplicate = nil, nil, ""
	}
	for i, name := range w.deployments.names(objects) {
		v := w.versions[name]
		switch {
		case v == nil:
		case v.deployment == nil || v.deployment.DeletionTimestamp != nil: // its successor has the version
			v.object, v.deployment = objects[i], &found[i]
		case found[i].DeletionTimestamp == nil:
			v.duplicate = found[i].Name
		}
	}
	w.changed = w.changed || !maps.Equal(before, w.seen())
}

// seen tells what the Deployments of the versions are: those of other applications in
// the namespace change, too.
func (w *watcher) seen() map[string]string {
	all := map[string]string{}
	for name, v := range w.versions {
		if v.object != nil {
			all[name] = string(v.object.GetUID()) + v.object.GetResourceVersion() + v.duplicate
		}
	}
	return all
}

// examine looks for what keeps versions from becoming ready. Evidence is read
// beside the loop: what happens meanwhile must not wait for it.
func (w *watcher) examine(ctx context.Context) {
	for _, v := range w.versions {
		if v.deployment == nil || !w.sawPods {
			v.problem, v.examination = nil, examination{}
			continue
		}
		pods := w.podsOf(v.deployment)
		problem, ask := v.examination.look(v.deployment, pods, w.deployments.clock.Now())
		if ask && !v.asking {
			w.ask(ctx, v, pods)
		}
		if !ask && !same(v.problem, problem) {
			v.problem, w.changed = problem, true
		}
	}
}

func same(a, b *diagnosis.Problem) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

// ask reads the evidence on a version that is not ready. When that fails, the
// next look asks again.
func (w *watcher) ask(ctx context.Context, v *watchedVersion, pods []corev1.Pod) {
	v.asking = true
	deployment := v.deployment
	w.watches.running.Go(func() {
		found, err := w.deployments.gather(ctx, deployment, pods)
		w.watches.tell(ctx, func() {
			v.asking = false
			if err == nil && v.deployment != nil {
				v.examination.learn(found, v.deployment, w.podsOf(v.deployment))
			}
		})
	})
}

// podsOf returns the Pods that a Deployment selects.
func (w *watcher) podsOf(deployment *appsv1.Deployment) []corev1.Pod {
	return matching(deployment.Spec.Selector, w.pods)
}

func (w *watcher) sight() Sight {
	versions := slices.Collect(maps.Keys(w.versions))
	s := Sight{Pods: w.deployments.health(w.pods, versions), Deployments: map[string]Deployed{}, Err: cmp.Or(w.noPods, w.noDeployments)}
	for name, v := range w.versions {
		deployed := v.deployed(w.deployments.app)
		if v.object != nil {
			deployed.Backend = w.deployments.backendOf(v.object)
		}
		s.Deployments[name] = deployed
		if v.duplicate != "" {
			s.Err = cmp.Or(s.Err, w.deployments.duplicate(name, v.deployment.Name, v.duplicate))
		}
	}
	return s
}

func (v *watchedVersion) deployed(app string) Deployed {
	if v.deployment == nil {
		return Deployed{Gone: true}
	}
	status := v.deployment.Status
	return Deployed{
		Deleting: v.deployment.DeletionTimestamp != nil,
		Name:     v.deployment.Name,
		Template: templateHash(v.object),
		Image:    imageOf(app, v.deployment),
		Author:   kube.SpecAuthor(v.object),
		Desired:  int(desired(v.deployment)), Replicas: int(status.Replicas),
		Updated: int(status.UpdatedReplicas), Ready: int(status.ReadyReplicas),
		RolledOut: rolledOut(v.deployment),
		Undoable:  former(v.object) != nil,
		Problem:   v.problem,
		Object:    v.object,
	}
}

// templateHash tells Pod templates apart. The API server writes a null timestamp
// into some, which says nothing.
func templateHash(deployment *unstructured.Unstructured) string {
	template, _, _ := unstructured.NestedMap(deployment.Object, "spec", "template")
	unstructured.RemoveNestedField(template, "metadata", "creationTimestamp")
	text, err := json.Marshal(template)
	if err != nil {
		return "" // what came as JSON can be written as JSON
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:5])
}
