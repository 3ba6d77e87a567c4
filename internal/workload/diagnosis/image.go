package diagnosis

import (
	"fmt"
	"strings"
	"time"
)

// imagePull: the image cannot be had. A first ErrImagePull may be a registry
// that hiccups; once the kubelet backs off it has tried more than once.
func imagePull(s Snapshot) *Problem {
	for _, c := range containers(s) {
		patience := time.Duration(0)
		switch c.waiting() {
		case "ErrImagePull", "RegistryUnavailable":
			patience = 5 * time.Second
		case "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "SignatureValidationFailed":
		default:
			continue
		}
		message := c.status.State.Waiting.Message
		return &Problem{
			Reason:   ImagePull,
			What:     fmt.Sprintf("%s: cannot pull image %q: %s", c, c.spec.Image, oneLine(pullMessage(c, message))),
			Next:     pullNext(c, message),
			Patience: patience,
		}
	}
	return nil
}

func pullMessage(c container, message string) string {
	if message == "" {
		return c.waiting()
	}
	return message
}

func pullNext(c container, message string) string {
	lower := strings.ToLower(message)
	switch {
	case c.waiting() == "InvalidImageName":
		return "correct --image: it is not an image reference"
	case c.waiting() == "ErrImageNeverPull":
		return "load the image into every node, or change imagePullPolicy: it is Never, and the node does not have the image"
	case strings.Contains(lower, "unauthorized"), strings.Contains(lower, "denied"), strings.Contains(lower, "authentication"):
		return "check the name, and give the service account an imagePullSecret for that registry"
	}
	return "check that the image and its tag exist and that the nodes can reach the registry; push or load it"
}
