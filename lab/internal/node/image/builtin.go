package image

// builtin are the images that the lab brings along: what stands in for the
// mesh's sidecar, and the images that people take for a quick shell or request.
// Their programs are the machine's own.
func builtin() map[string]Image {
	shell := Image{Cmd: []string{"sh"}}
	return map[string]Image{
		"istio/proxyv2":   sidecar(),
		"curlimages/curl": curl(),
		"busybox":         shell,
		"alpine":          shell,
	}
}

// sidecar does nothing but be there and leave at once when asked: the lab's
// router does the routing, and a Pod in an injected namespace still shows the
// second container. Whatever arguments the real proxy would get are ignored.
func sidecar() Image {
	const script = `trap 'exit 0' TERM INT
echo "canary-lab: traffic of this Pod is routed by the lab's router; this container only stands in for the sidecar"
while :; do sleep 86400 & wait $!; done`
	return Image{Entrypoint: []string{"/bin/sh", "-c", script, "proxyv2"}}
}

// curl does what the entry point of the real image does: a first argument that
// is a command is run, anything else is given to curl.
func curl() Image {
	const script = `case "$1" in
-*) set -- curl "$@" ;;
*) command -v "$1" >/dev/null || set -- curl "$@" ;;
esac
exec "$@"`
	return Image{Entrypoint: []string{"/bin/sh", "-c", script, "curl"}, Cmd: []string{"curl"}}
}
