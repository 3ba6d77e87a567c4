package kube

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Author says who wrote an object last, and when, as the API server recorded it:
// "kubectl-edit" at 15:04:05. Its status is another's, and does not count. The
// record is to the second: of two in the same one it names the other rather than
// us.
func Author(o *unstructured.Unstructured) string {
	return author(whole(o))
}

// Written is when that was; zero where it is not known.
func Written(o *unstructured.Unstructured) time.Time {
	if entries := whole(o); len(entries) > 0 {
		return timeOf(last(entries))
	}
	return time.Time{}
}

// whole are the writers of an object itself.
func whole(o *unstructured.Unstructured) []metav1.ManagedFieldsEntry {
	return slices.DeleteFunc(o.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool { return e.Subresource != "" })
}

// SpecAuthor says who wrote an object's spec last, as Author does of all of it.
// Controllers write annotations and the status all the time, so that writers known
// to have left the spec alone count only where there are no others.
func SpecAuthor(o *unstructured.Unstructured) string {
	entries := o.GetManagedFields()
	ofSpec := slices.DeleteFunc(slices.Clone(entries), func(e metav1.ManagedFieldsEntry) bool {
		return e.FieldsV1 != nil && !strings.Contains(string(e.FieldsV1.GetRawBytes()), `"f:spec"`)
	})
	if len(ofSpec) > 0 {
		entries = ofSpec
	}
	return author(entries)
}

// author names the last of several.
func author(entries []metav1.ManagedFieldsEntry) string {
	if len(entries) == 0 || last(entries).Manager == "" {
		return "somebody the API server does not name"
	}
	e := last(entries)
	text := strconv.Quote(e.Manager)
	if e.Time != nil {
		text += " at " + e.Time.Format("15:04:05")
	}
	return text
}

func last(entries []metav1.ManagedFieldsEntry) metav1.ManagedFieldsEntry {
	return slices.MaxFunc(entries, func(a, b metav1.ManagedFieldsEntry) int {
		return cmp.Or(timeOf(a).Compare(timeOf(b)), foreign(a)-foreign(b))
	})
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
