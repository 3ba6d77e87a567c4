// Package echopb is the gRPC service of versioned-echo, generated from
// echo.proto by make generate.
package echopb
