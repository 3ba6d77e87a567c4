package cli_test

import (
	"net"
	"net/url"
	"strconv"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// keepClosed has the port of a server that was stopped refuse connections until the script
// ends: another test's server may listen there else, and answer.
func keepClosed(ts *testscript.TestScript, server string) error {
	at, err := url.Parse(server)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		return err
	}
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	ts.Defer(func() { _ = syscall.Close(socket) })
	if err := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return err
	}
	address := &syscall.SockaddrInet4{Port: port}
	copy(address.Addr[:], net.ParseIP(at.Hostname()).To4())
	return syscall.Bind(socket, address) // and no listen
}
