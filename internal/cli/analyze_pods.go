package cli

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// podsOf reads how the Pods of both versions are.
func podsOf(client dynamic.Interface, route traffic.Route, backends canary.Backends, clock clock.WithTicker) func(context.Context) ([]analysis.Pod, error) {
	deployments := workload.New(workload.Config{Client: client, Namespace: route.Namespace, App: route.App, Backends: backends, Clock: clock})
	return func(ctx context.Context) ([]analysis.Pod, error) {
		all, err := deployments.Health(ctx, route.Stable, route.Canary)
		if err != nil {
			return nil, err
		}
		pods := make([]analysis.Pod, len(all))
		for i, h := range all {
			pods[i] = analysis.Pod(h)
		}
		return pods, nil
	}
}

// lookAtPods lets the Pods have their say. Who may not see them is told so once,
// and judges by requests alone; Pods that were seen and cannot be seen now hold
// back a pass.
func (l *live) lookAtPods(ctx context.Context) {
	if l.pods == nil || ctx.Err() != nil {
		return
	}
	asked, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	pods, err := l.pods(asked)
	switch {
	case err == nil && len(pods) == 0 && !l.saw:
		l.unwatched(fmt.Sprintf("no Pod in namespace %s is one of %s or %s", l.route.Namespace, l.route.Stable, l.route.Canary))
	case err == nil:
		l.saw = true
		l.analysis.See(l.Clock.Now(), pods)
	case apierrors.IsForbidden(err) && !l.saw:
		l.unwatched(err.Error())
	case ctx.Err() == nil:
		l.analysis.Blind(reasonOf(err))
	}
}

// unwatched gives up on the Pods.
func (l *live) unwatched(why string) {
	l.pods = nil
	fmt.Fprintf(l.Err, "restarts and readiness are not watched: %s\n", why)
}
