package kube

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Author says who wrote an object's spec last, and when, as the API server
// recorded it: "kubectl-edit" at 15:04:05. Controllers write the status all the
// time, so that writers known to have left the spec alone count only where there
// are no others. The record is to the second: of two in the same one it names the
// other rather than us.
func Author(o *unstructured.Unstructured) string {
	entries := o.GetManagedFields()
	if len(entries) == 0 {
		return "somebody the API server does not name"
	}
	ofSpec := slices.DeleteFunc(slices.Clone(entries), func(e metav1.ManagedFieldsEntry) bool {
		return e.FieldsV1 != nil && !strings.Contains(string(e.FieldsV1.GetRawBytes()), `"f:spec"`)
	})
	if len(ofSpec) > 0 {
		entries = ofSpec
	}
	last := slices.MaxFunc(entries, func(a, b metav1.ManagedFieldsEntry) int {
		return cmp.Or(timeOf(a).Compare(timeOf(b)), foreign(a)-foreign(b))
	})
	var b strings.Builder
	fmt.Fprintf(&b, "%q", last.Manager)
	if last.Time != nil {
		fmt.Fprintf(&b, " at %s", last.Time.Format("15:04:05"))
	}
	return b.String()
}

func foreign(e metav1.ManagedFieldsEntry) int {
	if e.Manager == FieldManager {
		return 0
	}
	return 1
}

func timeOf(e metav1.ManagedFieldsEntry) time.Time {
	if e.Time == nil {
		return time.Time{}
	}
	return e.Time.Time
}
