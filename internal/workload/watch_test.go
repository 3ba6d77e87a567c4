package workload

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/workload/diagnosis"
)

// watching is a Watch of shop's v1 and v2 that runs.
type watching struct {
	t      *testing.T
	server *kubetest.Server
	sights chan Sight
}

func watch(t *testing.T, s *kubetest.Server) watching {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	w, done := watching{t, s, make(chan Sight)}, make(chan error)
	d := asPeopleDo(t, s)
	go func() {
		done <- d.Watch(ctx, []string{"v1", "v2"}, func(seen Sight) {
			select {
			case w.sights <- seen:
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the watch ended with %v", err)
		}
	})
	return w
}

// asPeopleDo connects with a kubeconfig, which makes a hang-up an error at once.
func asPeopleDo(t *testing.T, s *kubetest.Server) Deployments {
	t.Helper()
	text, err := s.Kubeconfig()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	client, err := kube.Connect(kube.Config{Kubeconfig: file})
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{Client: client, Namespace: "default", App: "shop", Clock: clock.RealClock{}})
}

// until returns the first sight that is as wanted.
func (w watching) until(what string, as func(Sight) bool) Sight {
	w.t.Helper()
	patience := time.After(10 * time.Second)
	var last Sight
	for {
		select {
		case last = <-w.sights:
			if as(last) {
				return last
			}
		case <-patience:
			w.t.Fatalf("never seen: %s; the last sight: %+v", what, last)
		}
	}
}

func (w watching) remove(pod string) { w.server.Delete(kube.Pods(), "default", pod) }

func running(t *testing.T, image string) *kubetest.Server {
	t.Helper()
	s := kubetest.New(t)
	s.RunDeployments(func(image string) string {
		if image == "ImagePullBackOff" {
			return image
		}
		return ""
	})
	if err := s.Load(stableYAML); err != nil {
		t.Fatal(err)
	}
	if _, err := connect(t, s).Create(t.Context(), canaryOf(t, image), Options{}); err != nil {
		t.Fatal(err)
	}
	s.ResetRequests()
	return s
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWatchSeesTheVersions(t *testing.T) {
	w := watch(t, running(t, "shop:v2"))
	first := w.until("anything", func(Sight) bool { return true })
	if first.Err != nil || len(first.Pods) != 4 || first.Ready("v1") != 2 || first.Ready("v2") != 2 {
		t.Errorf("the first sight is not whole: %+v", first)
	}
	want := map[string]Deployed{
		"v1": {Name: "shop-v1", Image: "shop:v1", Desired: 2, Replicas: 2, Updated: 2, Ready: 2, RolledOut: true},
		"v2": {Name: "shop-v2", Image: "shop:v2", Desired: 2, Replicas: 2, Updated: 2, Ready: 2, RolledOut: true},
	}
	if diff := cmp.Diff(want, first.Deployments, cmpopts.IgnoreFields(Deployed{}, "Template", "Author", "Object")); diff != "" {
		t.Errorf("Deployments (-want +got):\n%s", diff)
	}
	if one, two := first.Deployments["v1"], first.Deployments["v2"]; one.Template == "" || one.Template == two.Template || one.Author == "" {
		t.Errorf("template %q and %q, author %q", one.Template, two.Template, one.Author)
	}
	if got := slices.Sorted(slices.Values(asked(w.server))); !cmp.Equal(got, []string{"watch deployments", "watch pods"}) {
		t.Errorf("it cost %q", got)
	}

	w.remove("shop-v2-0")
	w.remove("shop-v2-1")
	w.until("the canary without ready Pods", func(s Sight) bool { return s.Err == nil && s.Ready("v2") == 0 && s.Ready("v1") == 2 })
	w.server.Delete(kube.Deployments(), "default", "shop-v2")
	w.until("the canary gone", func(s Sight) bool { return cmp.Equal(s.Deployments["v2"], Deployed{Gone: true}) })

	scaled := w.server.Get(kube.Deployments(), "default", "shop-v1")
	if err := unstructured.SetNestedField(scaled.Object, int64(3), "spec", "replicas"); err != nil {
		t.Fatal(err)
	}
	w.server.Put(scaled)
	w.until("more Pods of the same template", func(s Sight) bool {
		return s.Ready("v1") == 3 && s.Deployments["v1"].Template == first.Deployments["v1"].Template
	})
}

func TestWatchOutlives(t *testing.T) {
	tooMany := apierrors.NewTooManyRequests("too many", 0)
	for _, c := range []struct {
		name    string
		trouble func(*kubetest.Server)
		told    bool // that it cannot be known
	}{
		{"watches that are cut", func(*kubetest.Server) {}, false},
		{"versions that are gone", (*kubetest.Server).Forget, false},
		{"too many requests", func(s *kubetest.Server) { s.Fail(func(kubetest.Request) error { return tooMany }) }, true},
		{"a server that fails", func(s *kubetest.Server) { s.Fail(func(kubetest.Request) error { return errors.New("no leader") }) }, true},
		{"a server that hangs up", func(s *kubetest.Server) { s.CutAfter(0, false) }, true},
		{"a watch that is forbidden", func(s *kubetest.Server) { s.Forbid("watch", "") }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := watch(t, running(t, "shop:v2"))
			w.until("the beginning", func(s Sight) bool { return s.Err == nil })
			c.trouble(w.server)
			w.server.CutWatches()
			if c.told {
				w.until("trouble", func(s Sight) bool { return s.Err != nil && s.Ready("v2") == 2 })
				w.server.Heal()
				w.until("the end of trouble", func(s Sight) bool { return s.Err == nil && s.Ready("v2") == 2 })
			}
			w.remove("shop-v2-0")
			w.until("what happened since", func(s Sight) bool { return s.Err == nil && s.Ready("v2") == 1 })
		})
	}
}

func TestWatchBeginsWithoutAServer(t *testing.T) {
	s := running(t, "shop:v2")
	s.Fail(func(kubetest.Request) error { return errors.New("no leader") })
	w := watch(t, s)
	w.until("that nothing is known", func(s Sight) bool { return s.Err != nil && len(s.Pods) == 0 })
	s.Heal()
	w.until("the versions", func(s Sight) bool { return s.Err == nil && s.Ready("v2") == 2 })
}

func TestWatchFindsOutWhyAVersionIsNotReady(t *testing.T) {
	w := watch(t, running(t, "ImagePullBackOff"))
	problem := func(s Sight) *diagnosis.Problem { return s.Deployments["v2"].Problem }
	seen := w.until("a problem", func(s Sight) bool { return problem(s) != nil })
	if p := problem(seen); p.Reason != diagnosis.ImagePull || seen.Deployments["v1"].Problem != nil {
		t.Errorf("problem %+v, and the stable version's %+v", p, seen.Deployments["v1"].Problem)
	}
	want := []string{"list events", "list events", "list replicasets", "watch deployments", "watch pods"}
	if got := slices.Sorted(slices.Values(asked(w.server))); !cmp.Equal(got, want) {
		t.Errorf("it cost %q", got)
	}
	mended := canaryOf(t, "shop:v2")
	mended.SetNamespace("default")
	w.server.Put(mended)
	w.until("the problem gone", func(s Sight) bool { return problem(s) == nil && s.Ready("v2") > 0 })
}

func TestWatchTellsOfASecondDeployment(t *testing.T) {
	w := watch(t, running(t, "shop:v2"))
	w.until("the beginning", func(s Sight) bool { return s.Err == nil })
	second := canaryOf(t, "shop:v2")
	second.SetNamespace("default")
	second.SetName("shop-v2-again")
	w.server.Put(second)
	w.until("that there are two", func(s Sight) bool { return errors.Is(s.Err, ErrDuplicate) })
}
