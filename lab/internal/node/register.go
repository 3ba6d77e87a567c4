package node

import (
	"context"
	"fmt"
	"runtime"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"k8s.io/component-helpers/apimachinery/lease"
)

// The kubelet's own figures: how long a lease holds, how often it is renewed,
// and how often the status is reported though nothing changed.
const (
	leaseSeconds   = 40
	leaseRenewal   = 10 * time.Second
	statusInterval = 5 * time.Minute
)

// kubeletVersion is the Kubernetes release that the agent behaves as.
const kubeletVersion = "v1.37.2"

// maxPods is the kubelet's default.
const maxPods = 110

// register creates the Node, or takes over the one of a former lab.
func (a *Agent) register(ctx context.Context) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: Name, Labels: nodeLabels()}}
	_, err := a.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("register Node %s: %w", Name, err)
	}
	return a.report(ctx)
}

// report writes the Node's status.
func (a *Agent) report(ctx context.Context) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		node, err := a.client.CoreV1().Nodes().Get(ctx, Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		a.describe(node)
		_, err = a.client.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("write the status of Node %s: %w", Name, err)
	}
	return nil
}

// heartbeat reports now and then, until ctx ends.
func (a *Agent) heartbeat(ctx context.Context) {
	ticker := a.config.Clock.NewTicker(statusInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C():
			if err := a.report(ctx); err != nil && ctx.Err() == nil {
				a.config.Log.Warn("report the node", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// lease keeps the Node's lease in kube-node-lease.
func (a *Agent) lease() lease.Controller {
	return lease.NewController(a.config.Clock, a.client, Name, leaseSeconds, nil, leaseRenewal,
		Name, corev1.NamespaceNodeLease, nil)
}

func nodeLabels() map[string]string {
	return map[string]string{
		corev1.LabelHostname:                    Name,
		corev1.LabelOSStable:                    runtime.GOOS,
		corev1.LabelArchStable:                  runtime.GOARCH,
		"node-role.kubernetes.io/control-plane": "",
	}
}

// describe fills in what the node is and has.
func (a *Agent) describe(node *corev1.Node) {
	resources := capacity()
	node.Status.Capacity = resources
	node.Status.Allocatable = resources.DeepCopy()
	node.Status.Addresses = []corev1.NodeAddress{
		{Type: corev1.NodeInternalIP, Address: Address}, {Type: corev1.NodeHostName, Address: Name},
	}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = KubeletPort
	node.Status.NodeInfo = corev1.NodeSystemInfo{
		MachineID: Name, SystemUUID: Name, BootID: Name,
		KernelVersion: runtime.Version(), OSImage: "canary-lab",
		ContainerRuntimeVersion: "process://" + kubeletVersion[1:],
		KubeletVersion:          kubeletVersion,
		OperatingSystem:         runtime.GOOS, Architecture: runtime.GOARCH,
	}
	node.Status.Conditions = nodeConditions(node.Status.Conditions, metav1.NewTime(a.config.Clock.Now()))
}

func nodeConditions(old []corev1.NodeCondition, now metav1.Time) []corev1.NodeCondition {
	conditions := []corev1.NodeCondition{
		{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasSufficientMemory", Message: "kubelet has sufficient memory available"},
		{Type: corev1.NodeDiskPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasNoDiskPressure", Message: "kubelet has no disk pressure"},
		{Type: corev1.NodePIDPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasSufficientPID", Message: "kubelet has sufficient PID available"},
		{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", Message: "the lab's node agent is posting ready status"},
	}
	for i := range conditions {
		c := &conditions[i]
		c.LastHeartbeatTime, c.LastTransitionTime = now, now
		for _, before := range old {
			if before.Type == c.Type && before.Status == c.Status {
				c.LastTransitionTime = before.LastTransitionTime
			}
		}
	}
	return conditions
}

// capacity is the machine's.
func capacity() corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(int64(runtime.NumCPU()), resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(memory(), resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(maxPods, resource.DecimalSI),
		corev1.ResourceEphemeralStorage: resource.MustParse("100Gi"),
	}
}
