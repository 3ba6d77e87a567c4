package image

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// program writes an executable and returns its path.
func program(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestResolve(t *testing.T) {
	anyTag, v2, private := program(t, "any"), program(t, "v2"), program(t, "private")
	r := NewResolver(map[string]Image{
		"versioned-echo":           Executable(anyTag),
		"versioned-echo:v2":        Executable(v2),
		"ghcr.io/acme/private:1.0": Executable(private),
		"gone":                     Executable(filepath.Join(t.TempDir(), "gone")),
		"library-of-mine/tool":     Executable(private),
	})
	for _, tt := range []struct {
		name string
		want string // program, or "" for unknown
	}{
		{"versioned-echo", anyTag},
		{"versioned-echo:v1", anyTag},
		{"versioned-echo:v2", v2},
		{"docker.io/library/versioned-echo:v2", v2},
		{"localhost:5000/versioned-echo:v2", v2},
		{"versioned-echo@sha256:0123", anyTag},
		{"versioned-echo:v2@sha256:0123", v2},
		{"ghcr.io/acme/private:1.0", private},
		{"ghcr.io/acme/private:2.0", ""},
		{"acme/private:1.0", ""},
		{"library-of-mine/tool:x", private},
		{"istio/proxyv2:1.31.1", "/bin/sh"},
		{"docker.io/istio/proxyv2:1.31.1", "/bin/sh"},
		{"gcr.io/istio/proxyv2:1.31.1", "/bin/sh"},
		{"curlimages/curl", "/bin/sh"},
		{"nginx", ""},
		{"gone", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := r.Resolve(tt.name)
			if tt.want == "" {
				if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "canary-lab load "+tt.name+"=PATH") {
					t.Fatalf("err = %v; want ErrUnknown with the command that mends it", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Entrypoint[0] != tt.want {
				t.Errorf("program %s, want %s", got.Entrypoint[0], tt.want)
			}
			if !strings.Contains(got.ID, "@sha256:") {
				t.Errorf("ID %q has no digest", got.ID)
			}
		})
	}
}

func TestLoadIsSeenAtOnce(t *testing.T) {
	r := NewResolver(nil)
	changed := r.Changed()
	if _, err := r.Resolve("shop:v9"); !errors.Is(err, ErrUnknown) {
		t.Fatalf("before the load: %v", err)
	}
	path := program(t, "shop")
	if err := r.Load("shop:v9", path); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	default:
		t.Error("nobody was told of the load")
	}
	got, err := r.Resolve("docker.io/library/shop:v9")
	if err != nil || got.Entrypoint[0] != path {
		t.Errorf("after the load: %v, %v", got, err)
	}
	before := got.ID
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err = r.Resolve("shop:v9"); err != nil || got.ID == before {
		t.Errorf("a rebuilt program kept its ID %s (%v)", got.ID, err)
	}
}

func TestLoadRefusesWhatCannotRun(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{plain, t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		if err := NewResolver(nil).Load("x", path); err == nil {
			t.Errorf("Load accepted %s", path)
		}
	}
}

func TestCommand(t *testing.T) {
	echo := program(t, "versioned-echo")
	for _, tt := range []struct {
		name          string
		image         Image
		command, args []string
		want          []string
	}{
		{"image as it is", Executable(echo, "--a"), nil, nil, []string{echo, "--a"}},
		{"args replace Cmd", Executable(echo, "--a"), nil, []string{"--b"}, []string{echo, "--b"}},
		{"command replaces both", Executable(echo, "--a"), []string{"/bin/sh"}, nil, []string{"/bin/sh"}},
		{"command and args", Executable(echo), []string{"/bin/sh"}, []string{"-c", "x"}, []string{"/bin/sh", "-c", "x"}},
		{"the program by its place in the image", Executable(echo), []string{"/versioned-echo", "--c"}, nil, []string{echo, "--c"}},
		{"the program by its name", Executable(echo), []string{"versioned-echo"}, []string{"--d"}, []string{echo, "--d"}},
		{"no entry point", Image{Cmd: []string{"sh"}}, nil, []string{"sleep", "1"}, []string{"sleep", "1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.image.Command(tt.command, tt.args)); diff != "" {
				t.Errorf("command (-want +got):\n%s", diff)
			}
		})
	}
}
