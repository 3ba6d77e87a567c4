// Command canary-lab is a Kubernetes laboratory on one machine.
package main

import (
	"os"

	"github.com/canaryctl/canaryctl/lab/internal/controlplane"
)

func main() {
	controlplane.Main(os.Args)
}
