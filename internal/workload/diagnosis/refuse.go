package diagnosis

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// refused: the API server does not let the Pods be created, for quota or by a
// policy. The ReplicaSet says so in a condition, and its Deployment repeats it.
func refused(s Snapshot) *Problem {
	message := refusal(s)
	if message == "" {
		return nil
	}
	p := &Problem{
		Reason:   Refused,
		What:     fmt.Sprintf("the API server refuses the Pods of Deployment %s: %s", s.Deployment.Name, oneLine(message)),
		Next:     "change the stable Deployment, from which the canary is derived, so that the policy admits it, or ask who owns the policy",
		Patience: 3 * time.Second, // the controller tries again, and quota may be freed meanwhile
	}
	switch lower := strings.ToLower(message); {
	case strings.Contains(lower, "exceeded quota"), strings.Contains(lower, "failed quota"):
		p.Reason = Quota
		p.Next = fmt.Sprintf("ask for fewer Pods with --replicas, or raise the quota: kubectl -n %s describe resourcequota", s.Deployment.Namespace)
	case strings.Contains(lower, "violates podsecurity"):
		p.Next = fmt.Sprintf("set the securityContext that the namespace asks for: kubectl get namespace %s --show-labels", s.Deployment.Namespace)
	case strings.Contains(lower, "serviceaccount") && strings.Contains(lower, "not found"):
		p.Next = fmt.Sprintf("create the service account: kubectl -n %s get serviceaccounts shows those there are", s.Deployment.Namespace)
	}
	return p
}

func refusal(s Snapshot) string {
	if s.ReplicaSet != nil {
		for _, c := range s.ReplicaSet.Status.Conditions {
			if c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue && c.Reason == "FailedCreate" {
				return c.Message
			}
		}
		return ""
	}
	for _, c := range s.Deployment.Status.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
			return c.Message
		}
	}
	return ""
}

// noProgress: the Deployment's own deadline has passed, and nothing above knew
// why. It comes last.
func noProgress(s Snapshot) *Problem {
	for _, c := range s.Deployment.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse && c.Reason == "ProgressDeadlineExceeded" {
			return &Problem{
				Reason: NoProgress,
				What:   fmt.Sprintf("Deployment %s made no progress within its deadline: %s", s.Deployment.Name, oneLine(c.Message)),
				Next: fmt.Sprintf("kubectl -n %s describe deployment %s shows its events",
					s.Deployment.Namespace, s.Deployment.Name),
				// The condition outlives its cause until the first progress.
				Patience: 15 * time.Second,
			}
		}
	}
	return nil
}
