package analysis

import "testing"

func TestWhys(t *testing.T) {
	var w Whys
	w.add(map[string]uint64{"504, time-out of the route": 5})
	if got := w.String(); got != "504, time-out of the route" {
		t.Errorf("one way: %q", got)
	}
	w.add(map[string]uint64{"504, time-out of the route": 1000, "500": 7, "503": 7, "501": 1})
	if got := w.String(); got != "504, time-out of the route: 1,005; 500: 7" {
		t.Errorf("several: %q", got)
	}
}
