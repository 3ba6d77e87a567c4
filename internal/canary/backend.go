package canary

import "maps"

// Backend is where a route sends the requests for one version: the Pods that a Service
// selects, narrowed by labels of the version's own. What a version is called says
// nothing about its Pods: the label "version" names new versions, and no more.
type Backend struct {
	Version string
	// Service is what the Service selects.
	Service map[string]string
	// Subset are the labels that tell the version's Pods from the Service's others; empty
	// where it has a Service of its own.
	Subset map[string]string
}

// Selector is what both ask for.
func (b Backend) Selector() map[string]string {
	all := map[string]string{}
	maps.Copy(all, b.Subset)
	maps.Copy(all, b.Service)
	return all
}

// Selects reports whether requests for the version reach Pods with such labels.
func (b Backend) Selects(labels map[string]string) bool {
	return len(b.Service)+len(b.Subset) > 0 && within(b.Service, labels) && within(b.Subset, labels)
}

func within(some, all map[string]string) bool {
	for key, value := range some {
		if have, ok := all[key]; !ok || have != value {
			return false
		}
	}
	return true
}

// Backends are those of a route's versions.
type Backends []Backend

// VersionOf is the version of the Pods with such labels; where several select them, the
// one that asks for the most.
func (b Backends) VersionOf(labels map[string]string) (version string, ok bool) {
	most := -1
	for _, backend := range b {
		if n := len(backend.Subset); n > most && backend.Selects(labels) {
			version, most = backend.Version, n
		}
	}
	return version, most >= 0
}

// Common are the labels that the Pods of all versions have, so that one request finds
// them; empty where there are none.
func (b Backends) Common() map[string]string {
	if len(b) == 0 {
		return nil
	}
	common := b[0].Selector()
	for _, backend := range b[1:] {
		other := backend.Selector()
		maps.DeleteFunc(common, func(key, value string) bool { return other[key] != value })
	}
	return common
}

// Find is that of a version.
func (b Backends) Find(version string) (Backend, bool) {
	for _, backend := range b {
		if backend.Version == version {
			return backend, true
		}
	}
	return Backend{}, false
}

// Only are those of some of the versions.
func (b Backends) Only(versions ...string) Backends {
	var some Backends
	for _, version := range versions {
		if backend, ok := b.Find(version); ok {
			some = append(some, backend)
		}
	}
	return some
}
