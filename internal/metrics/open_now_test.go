package metrics

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCountOpen(t *testing.T) {
	p, err := FindProfile("app")
	if err != nil {
		t.Fatal(err)
	}
	another := func(points []Point, job string) []Point {
		again := slices.Clone(points)
		for i := range again {
			again[i].Labels = maps.Clone(again[i].Labels)
			again[i].Labels["job"] = job
		}
		return again
	}
	calls := func(name string, value float64) Point {
		return Point{Name: name, Version: "v2", Pod: "b", At: clock(1), Value: value, Labels: map[string]string{"pod": "b"}}
	}
	for _, test := range []struct {
		name   string
		points []Point
		want   map[string]uint64
	}{
		{"nothing tells", nil, map[string]uint64{}},
		{"each version", slices.Concat(found("v1", 1, 3, 100), found("v2", 1, 7, -1)), map[string]uint64{"v1": 3, "v2": 7}},
		{"none is open", found("v2", 1, 0, 100), map[string]uint64{"v2": 0}},
		{"read twice", slices.Concat(found("v2", 1, 7, 100), another(found("v2", 1, 7, 100), "x")), map[string]uint64{"v2": 7}},
		{"both protocols", append(found("v2", 1, 7, 100), calls("grpc_server_started_total", 9), calls("grpc_server_handled_total", 4)), map[string]uint64{"v2": 12}},
		{"a counter that is not whole", []Point{calls("grpc_server_started_total", 3), calls("grpc_server_handled_total", 4)}, map[string]uint64{"v2": 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := CountOpen(p, test.points)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
