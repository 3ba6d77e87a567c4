// Command canaryctl moves live traffic between the stable version of an
// application and its canary.
package main

import (
	"os"

	"github.com/canaryctl/canaryctl/internal/cli"
)

func main() { os.Exit(cli.Main()) }
