package echopb

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/pluginpb"
)

var update = flag.Bool("update", false, "write the code that echo.proto describes")

// TestGenerated holds the code to the .proto file and to the generators that
// go.mod pins; -update writes it. protoc, which is no Go program, has no part in
// it: it would only parse the file.
func TestGenerated(t *testing.T) {
	request, err := proto.Marshal(codeGeneratorRequest(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, plugin := range []string{"protoc-gen-go", "protoc-gen-go-grpc"} {
		for _, file := range generate(t, plugin, request).File {
			if *update {
				if err := os.WriteFile(file.GetName(), []byte(file.GetContent()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(file.GetName())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(file.GetContent(), string(got)); diff != "" {
				t.Errorf("%s is not what %s makes of echo.proto; make generate writes it (-want +got):\n%s", file.GetName(), plugin, diff)
			}
		}
	}
}

// codeGeneratorRequest is what protoc would hand to its plugins, see
// https://github.com/protocolbuffers/protobuf/blob/main/src/google/protobuf/compiler/plugin.proto
func codeGeneratorRequest(t *testing.T) *pluginpb.CodeGeneratorRequest {
	t.Helper()
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{}),
		SourceInfoMode: protocompile.SourceInfoStandard, // comments
	}
	files, err := compiler.Compile(t.Context(), "echo.proto")
	if err != nil {
		t.Fatal(err)
	}
	return &pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{"echo.proto"},
		Parameter:      proto.String("paths=source_relative"),
		ProtoFile: []*descriptorpb.FileDescriptorProto{
			protodesc.ToFileDescriptorProto(durationpb.File_google_protobuf_duration_proto),
			protodesc.ToFileDescriptorProto(files[0]),
		},
	}
}

func generate(t *testing.T, plugin string, request []byte) *pluginpb.CodeGeneratorResponse {
	t.Helper()
	run := exec.CommandContext(t.Context(), "go", "tool", plugin)
	run.Stdin, run.Stderr = bytes.NewReader(request), os.Stderr
	out, err := run.Output()
	if err != nil {
		t.Fatalf("go tool %s: %v", plugin, err)
	}
	response := new(pluginpb.CodeGeneratorResponse)
	if err := proto.Unmarshal(out, response); err != nil {
		t.Fatal(err)
	}
	if response.Error != nil {
		t.Fatalf("%s: %s", plugin, response.GetError())
	}
	return response
}
