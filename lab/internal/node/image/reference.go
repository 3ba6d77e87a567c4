package image

import "strings"

// reference is an image name taken apart, the way a container runtime reads it:
// "docker.io/library/" means nothing, a missing tag means "latest", and a
// digest counts for nothing here, since the lab has one build of each image.
type reference struct {
	registry   string // "" for Docker Hub
	repository string
	tag        string // "" when none was named
}

func parse(name string) reference {
	var ref reference
	name, _, _ = strings.Cut(name, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name, ref.tag = name[:i], name[i+1:]
	}
	if first, rest, ok := strings.Cut(name, "/"); ok && isRegistry(first) {
		ref.registry, name = first, rest
	}
	switch ref.registry {
	case "docker.io", "index.docker.io", "registry-1.docker.io":
		ref.registry = ""
		name = strings.TrimPrefix(name, "library/")
	}
	ref.repository = name
	return ref
}

// isRegistry tells a registry's host from the first part of a repository, by
// the rule that Docker uses: a host has a dot or a port, or is localhost.
func isRegistry(first string) bool {
	return strings.ContainsAny(first, ".:") || first == "localhost"
}

// keys lists the names under which an image may have been registered, the most
// telling first. A registry that nobody registered is looked past, so that
// "localhost:5000/versioned-echo:v1" finds the "versioned-echo:v1" at hand.
func (r reference) keys() []string {
	tag := r.tag
	if tag == "" {
		tag = "latest"
	}
	keys := []string{r.repository + ":" + tag, r.repository}
	if r.registry != "" {
		full := r.registry + "/" + r.repository
		keys = append([]string{full + ":" + tag, full}, keys...)
	}
	return keys
}

// key is the one name that a registration is stored under: with its tag, or
// without one for all tags.
func (r reference) key() string {
	name := r.repository
	if r.registry != "" {
		name = r.registry + "/" + name
	}
	if r.tag != "" {
		name += ":" + r.tag
	}
	return name
}
