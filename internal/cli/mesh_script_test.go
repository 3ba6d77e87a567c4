package cli_test

import (
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/canaryctl/canaryctl/internal/cli"
)

type meshKey struct{}

// scriptMesh is that of a script, once it has one.
type scriptMesh struct{ *cli.FakeMesh }

func (s *scriptMesh) close() {
	if s.FakeMesh != nil {
		s.Close()
	}
}

func prepareMesh(env *testscript.Env) {
	m := new(scriptMesh)
	env.Values[meshKey{}] = m
	env.Defer(m.close)
}

func meshCommand(ts *testscript.TestScript, _ bool, args []string) {
	m := ts.Value(meshKey{}).(*scriptMesh)
	switch args[0] {
	case "kill":
		m.Kill()
	case "revive":
		m.Revive()
	case "hang":
		m.Hang()
	case "follow":
		m.Route(0)
		ts.Value(clusterKey{}).(*cluster).server.OnWrite(follow(m.FakeMesh))
	case "latency":
		times, err := strconv.ParseFloat(args[1], 64)
		ts.Check(err)
		m.Histogram(times)
	default:
		stable, err := strconv.ParseFloat(args[0], 64)
		ts.Check(err)
		canary, err := strconv.ParseFloat(args[1], 64)
		ts.Check(err)
		m.close()
		m.FakeMesh = cli.NewFakeMesh(time.Now, map[string]float64{"v1": stable, "v2": canary})
		ts.Setenv("MESH", m.URL())
	}
}
