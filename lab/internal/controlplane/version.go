package controlplane

import (
	"fmt"
	_ "unsafe" // for go:linkname

	"k8s.io/component-base/version"
)

// KubernetesVersion is that of the k8s.io/kubernetes module in go.mod (a test compares).
const KubernetesVersion = "v1.37.2"

// Kubernetes gets its version from the linker (-ldflags -X); without it the API server
// reports one that clients refuse to parse, and the public SetDynamicVersion accepts only
// what matches the linked one. Naming the variables here spares everybody who builds,
// tests or runs the lab three flags that are easily forgotten.

//go:linkname gitVersion k8s.io/component-base/version.gitVersion
var gitVersion string

//go:linkname gitMajor k8s.io/component-base/version.gitMajor
var gitMajor string

//go:linkname gitMinor k8s.io/component-base/version.gitMinor
var gitMinor string

// stampVersion tells this process which Kubernetes it is. Call it before anything of
// Kubernetes is asked for its version.
func stampVersion() {
	var major, minor int
	if _, err := fmt.Sscanf(KubernetesVersion, "v%d.%d.", &major, &minor); err != nil {
		panic(fmt.Sprintf("malformed constant %q: %v", KubernetesVersion, err))
	}
	gitVersion, gitMajor, gitMinor = KubernetesVersion, fmt.Sprint(major), fmt.Sprint(minor)
	if err := version.SetDynamicVersion(KubernetesVersion); err != nil {
		panic(fmt.Sprintf("set the Kubernetes version: %v", err))
	}
}
