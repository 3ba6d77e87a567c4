package kube_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

const secondPod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b","labels":{"app":"shop"}}}`

// TestWatchTells has a Pod come while the watch is cut and its version gone, and
// the server fail in between.
func TestWatchTells(t *testing.T) {
	s := kubetest.New(t,
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"app":"shop"}}}`,
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"other"}}`)
	client, err := dynamic.NewForConfig(s.Config())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	var told []string
	watch := kube.Watch{Client: client, Resource: kube.Pods(), Namespace: "default", Labels: "app=shop", Clock: clock.RealClock{}}
	watch.Run(ctx, func(objects []*unstructured.Unstructured, err error) {
		word := "error"
		if err == nil {
			word = ""
			for _, o := range objects {
				word += o.GetName()
			}
		}
		if len(told) > 0 && told[len(told)-1] == word {
			return // an error that lasts
		}
		told = append(told, word)
		switch {
		case len(told) == 1:
			if n := len(s.Requests()); n != 1 {
				t.Errorf("it took %d requests to know the Pods", n)
			}
			s.Fail(func(kubetest.Request) error { return errors.New("no leader") })
			s.Forget()
			s.CutWatches()
		case word == "error":
			if err := s.Load(secondPod); err != nil {
				t.Error(err)
			}
			s.Heal()
		case word == "ab":
			s.Delete(kube.Pods(), "default", "a")
		case word == "b":
			stop()
		}
	})
	if want := []string{"a", "error", "ab", "b"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
