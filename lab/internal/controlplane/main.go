package controlplane

import (
	"fmt"
	"os"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register" // --logging-format=json
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

const (
	etcdName              = "etcd"
	apiServerName         = "kube-apiserver"
	controllerManagerName = "kube-controller-manager"
)

// Main is the main function of a child process of the lab: when the first argument names a
// part of the control plane, it becomes that part and never returns. Call it
// first thing in main (and in a TestMain whose tests run a control plane).
func Main(args []string) {
	if len(args) < 2 {
		return
	}
	switch name, rest := args[1], args[2:]; name {
	case etcdName:
		if err := etcdMain(rest); err != nil {
			fmt.Fprintf(os.Stderr, "etcd: %v\n", err)
			os.Exit(1)
		}
		os.Exit(0)
	case apiServerName:
		stampVersion()
		cmd := apiserver.NewAPIServerCommand()
		cmd.SetArgs(rest)
		os.Exit(cli.Run(cmd))
	case controllerManagerName:
		stampVersion()
		cmd := controllermanager.NewControllerManagerCommand()
		cmd.SetArgs(rest)
		os.Exit(cli.Run(cmd))
	}
}
