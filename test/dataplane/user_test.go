package dataplane

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/canaryctl/canaryctl/test/dataplane/internal/failing"
	"github.com/canaryctl/canaryctl/test/dataplane/internal/mesh"
)

// request is what a user asks the service, through the client's Envoy.
type request struct {
	app      string        // whose service; empty is failing
	method   string        // of gRPC; empty is one of failing
	name     string        // header x-case: counters are told apart by it
	route    string        // header x-route, of testdata/routes.yaml
	fail     string        // header of the package failing
	patience time.Duration // how long the user waits; zero is a minute
	silent   bool          // the server does not hear of the patience
}

func (r request) host() string { return mesh.Host(cmp.Or(r.app, "failing")) }

func (r request) headers() map[string]string {
	return map[string]string{"x-case": r.name, "x-route": r.route, failing.Header: r.fail}
}

// wait limits a context to the user's patience. With silent, the user goes away
// at its end; without, gRPC tells the server beforehand.
func (r request) wait(ctx context.Context) (context.Context, context.CancelFunc) {
	patience := cmp.Or(r.patience, time.Minute)
	if !r.silent {
		return context.WithTimeout(ctx, patience)
	}
	ctx, leave := context.WithCancel(ctx)
	timer := time.AfterFunc(patience, leave)
	return ctx, func() { timer.Stop(); leave() }
}

// user sends a request and says what came of it.
type user func(context.Context, request) string

// httpUser reads answers to their end.
func httpUser(client *mesh.Sidecar, protocols *http.Protocols) user {
	transport := &http.Transport{Protocols: protocols, MaxIdleConnsPerHost: 10}
	return func(ctx context.Context, r request) string {
		ctx, cancel := r.wait(ctx)
		defer cancel()
		to := fmt.Sprintf("http://%s:%d/", client.Address, mesh.HTTPPort)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
		if err != nil {
			return err.Error()
		}
		req.Host = r.host()
		for name, value := range r.headers() {
			req.Header.Set(name, value)
		}
		resp, err := transport.RoundTrip(req)
		if errors.Is(err, context.DeadlineExceeded) {
			return "nothing"
		}
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); errors.Is(err, context.DeadlineExceeded) {
			return fmt.Sprint(resp.StatusCode, " without an end")
		} else if err != nil {
			return fmt.Sprint(resp.StatusCode, " broken off")
		}
		return fmt.Sprint(resp.StatusCode)
	}
}

// http1 has a connection for each request that is open.
func http1(client *mesh.Sidecar) user {
	return httpUser(client, nil)
}

// http2 has one for all.
func http2(client *mesh.Sidecar) user {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return httpUser(client, protocols)
}

// grpcConn is one HTTP/2 connection to the client's Envoy.
func grpcConn(client *mesh.Sidecar) (*grpc.ClientConn, error) {
	return grpc.NewClient(fmt.Sprintf("passthrough:///%s:%d", client.Address, mesh.GRPCPort),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
}

// stream is an open one with a message each way behind it.
func stream(ctx context.Context, conn *grpc.ClientConn, r request) (grpc.ClientStream, error) {
	ctx = metadata.NewOutgoingContext(ctx, metadata.New(r.headers()))
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/failing.Failing/Stream", grpc.CallAuthority(r.host()))
	if err != nil {
		return nil, err
	}
	return s, talk(s)
}

// talk sends a message and waits for one.
func talk(s grpc.ClientStream) error {
	if err := s.SendMsg(new(emptypb.Empty)); err != nil {
		return err
	}
	return s.RecvMsg(new(emptypb.Empty))
}

// grpcUser makes calls with one message each way, on one connection.
func grpcUser(client *mesh.Sidecar) user {
	conn, err := grpcConn(client)
	if err != nil {
		return func(context.Context, request) string { return err.Error() }
	}
	return callOn(conn)
}

func callOn(conn *grpc.ClientConn) user {
	return func(ctx context.Context, r request) string {
		ctx, cancel := r.wait(ctx)
		defer cancel()
		ctx = metadata.NewOutgoingContext(ctx, metadata.New(r.headers()))
		method := cmp.Or(r.method, "/failing.Failing/Call")
		err := conn.Invoke(ctx, method, new(emptypb.Empty), new(emptypb.Empty), grpc.CallAuthority(r.host()))
		return status.Code(err).String()
	}
}

// grpcLeaver asks for a stream of answers, and leaves it after the first.
func grpcLeaver(client *mesh.Sidecar) user {
	conn, err := grpcConn(client)
	return func(ctx context.Context, r request) string {
		if err != nil {
			return err.Error()
		}
		ctx, leave := r.wait(ctx)
		defer leave()
		ctx = metadata.NewOutgoingContext(ctx, metadata.New(r.headers()))
		s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, r.method, grpc.CallAuthority(r.host()))
		if err != nil {
			return err.Error()
		}
		err = errors.Join(s.SendMsg(new(emptypb.Empty)), s.CloseSend(), s.RecvMsg(new(emptypb.Empty)))
		return status.Code(err).String()
	}
}
