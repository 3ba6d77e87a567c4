package lab

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/canaryctl/canaryctl/lab/internal/proc"
)

func TestDeadLabIsNoLab(t *testing.T) {
	dir := Dir(t.TempDir())
	if _, err := dir.ReadState(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("without a state: %v, want ErrNotRunning", err)
	}
	self, err := proc.Self()
	if err != nil {
		t.Fatal(err)
	}
	alive := State{Lab: self, Kubernetes: "https://127.0.0.1:6443"}
	if err := dir.writeState(alive); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.ReadState(); err != nil {
		t.Errorf("with a living lab: %v", err)
	}
	if port := dir.lastPort(); port != 6443 {
		t.Errorf("last port %d, want 6443", port)
	}
	inherited := alive
	inherited.Lab.Start += "0" // the number was given to another process
	if err := dir.writeState(inherited); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.ReadState(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("with a process that only has the lab's number: %v, want ErrNotRunning", err)
	}
	if err := Stop(t.Context(), dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Stop: %v, want ErrNotRunning", err)
	}
}

func TestSweepKillsWhatOutlivedTheLab(t *testing.T) {
	dir := Dir(t.TempDir())
	orphan := exec.Command("sleep", "600")
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := proc.Identify(orphan.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.writeState(State{Processes: []proc.Identity{id}}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir.socket(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := dir.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = orphan.Wait()
	if id.Alive() {
		t.Error("the orphan is alive")
	}
	if _, err := os.Stat(dir.socket()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestOneLabPerDirectory(t *testing.T) {
	dir := Dir(t.TempDir())
	unlock, err := dir.lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dir.lock(); !errors.Is(err, ErrRunning) {
		t.Errorf("second lock: %v, want ErrRunning", err)
	}
	unlock()
	again, err := dir.lock()
	if err != nil {
		t.Fatalf("after it was given back: %v", err)
	}
	again()
}

func TestEraseLeavesWhatIsNotOurs(t *testing.T) {
	dir := Dir(t.TempDir())
	for _, name := range []string{"thesis.txt", "lab.json"} {
		if err := os.WriteFile(dir.path(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := dir.Erase(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(dir.path("*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != "thesis.txt" {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestImages(t *testing.T) {
	bin, dir := t.TempDir(), Dir(t.TempDir())
	beside := filepath.Join(bin, echoImage)
	if err := os.WriteFile(beside, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := dir.rememberImages(map[string]string{"shop:v1": "/loaded/shop", "cart": "/loaded/cart"}); err != nil {
		t.Fatal(err)
	}
	images, err := dir.images(filepath.Join(bin, "canary-lab"), map[string]string{"cart": "/given/cart"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{echoImage: beside, "shop:v1": "/loaded/shop", "cart": "/given/cart"} {
		if images[name] != want {
			t.Errorf("image %s is %q, want %q", name, images[name], want)
		}
	}
}
