package failing

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// serveGRPC answers any method, with messages that have no fields.
func (s *Server) serveGRPC(_ any, stream grpc.ServerStream) error {
	s.handled.Add(1)
	asked := metadata.ValueFromIncomingContext(stream.Context(), Header)
	failure, value := s.failure(strings.Join(asked, ","))
	if failure == Hang {
		<-stream.Context().Done()
		return status.FromContextError(stream.Context().Err()).Err()
	}
	if err := stream.RecvMsg(new(emptypb.Empty)); err != nil {
		return err
	}
	switch failure {
	case "", Stream, AfterMessage:
		if err := stream.SendMsg(new(emptypb.Empty)); err != nil {
			return err
		}
	case AfterHeaders:
		if err := stream.SendHeader(metadata.MD{}); err != nil {
			return err
		}
	}
	if failure == Stream {
		return untilClosed(stream)
	}
	return asStatus(value)
}

// untilClosed answers each message until the client has no more to say.
func untilClosed(stream grpc.ServerStream) error {
	for {
		if err := stream.RecvMsg(new(emptypb.Empty)); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.SendMsg(new(emptypb.Empty)); err != nil {
			return err
		}
	}
}

func asStatus(value string) error {
	if value == "" {
		return nil
	}
	code, err := strconv.ParseUint(value, 10, 32)
	if err != nil {
		return status.Errorf(codes.InvalidArgument, "no status is called %q", value)
	}
	return status.Error(codes.Code(code), "as asked")
}
