package router

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
)

// TestReplay reads parts of a body in several tries, as attempts at a Pod do, and
// then all of it.
func TestReplay(t *testing.T) {
	tests := []struct {
		name  string
		size  int
		tries []int // how much each try reads before it is given up
		again bool  // whether another try has the whole body
	}{
		{"nothing read", 1000, []int{0}, true},
		{"a part, and a longer one", 1000, []int{10, 500}, true},
		{"a longer part, and a shorter one", 1000, []int{500, 10}, true},
		{"all", 1000, []int{1000, 1000}, true},
		{"all that is kept", replayLimit, []int{replayLimit}, true},
		{"more than is kept", 3 * replayLimit, []int{2 * replayLimit}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := make([]byte, test.size)
			for i := range want {
				want[i] = byte(i * 7)
			}
			ends := 0
			r := newReplay(iotest.OneByteReader(bytes.NewReader(want)), func() { ends++ })
			for _, n := range test.tries {
				try := r.open()
				got := make([]byte, n)
				if _, err := io.ReadFull(try, got); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want[:n]) {
					t.Errorf("a try read something else than the first %d bytes", n)
				}
				_ = try.Close()
				if _, err := try.Read(got); n > 0 && err == nil {
					t.Error("a try that is closed reads on")
				}
			}
			if got := r.again(); got != test.again {
				t.Fatalf("can be sent again: %v, want %v", got, test.again)
			}
			if !test.again {
				return
			}
			got, err := io.ReadAll(r.open())
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("the last try read %d bytes, %v; want all %d", len(got), err, len(want))
			}
			if ends != 1 {
				t.Errorf("the end of the body was noted %d times", ends)
			}
		})
	}
}

// A try that was given up while it waited for the client does not keep what the
// client says next to itself.
func TestReplayKeepsWhatAnOldTryReads(t *testing.T) {
	source, client := io.Pipe()
	r := newReplay(source, func() {})
	old := r.open()
	read := make(chan error, 1)
	go func() { _, err := old.Read(make([]byte, 10)); read <- err }()
	waitFor(t, func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.reading })
	_ = old.Close()
	got := make(chan []byte, 1)
	next := r.open()
	go func() { b, _ := io.ReadAll(next); got <- b }()
	if _, err := io.WriteString(client, "hello"); err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	if err := <-read; err == nil {
		t.Error("the old try got something")
	}
	if b := <-got; string(b) != "hello" {
		t.Errorf("the next try got %q", b)
	}
}
