package lab

import (
	"os"
	"time"

	"github.com/canaryctl/canaryctl/lab/internal/proc"
	"github.com/canaryctl/canaryctl/lab/internal/router"
)

// Status is how a running lab is.
type Status struct {
	Ready      bool        `json:"ready"`
	Started    time.Time   `json:"started"`
	Directory  Dir         `json:"directory"`
	Components []Component `json:"components"`
	// NotHonoured are the fields of routes that the router does not act on.
	NotHonoured []router.Problem `json:"notHonoured"`
}

// Component is one part of the lab. Those that are no process of their own share the lab's.
type Component struct {
	Name    string    `json:"name"`
	State   string    `json:"state"` // starting or running
	Pid     int       `json:"pid"`
	Address string    `json:"address,omitempty"`
	RSS     uint64    `json:"rss,omitempty"` // bytes; 0 for a part of another process
	PSS     uint64    `json:"pss,omitempty"` // bytes, shared pages by share; 0 where unknown
	Started time.Time `json:"started"`
}

const (
	starting = "starting"
	running  = "running"
)

// Status tells how the lab is now.
func (l *Lab) Status() Status {
	status := Status{
		Ready:       closed(l.ready),
		Started:     l.started,
		Directory:   l.config.Dir,
		NotHonoured: l.parts.router.Status(),
	}
	self := Component{Name: "lab", State: state(l.ready), Pid: os.Getpid(), Started: l.started}
	self.measure()
	status.Components = append(status.Components, self)
	for _, part := range l.parts.describe() {
		part.Pid, part.Started = self.Pid, self.Started
		status.Components = append(status.Components, part)
	}
	for _, p := range l.plane.Processes() {
		component := Component{Name: p.Name, State: state(l.plane.Ready()), Pid: p.Pid, Address: p.Address, Started: p.Started}
		component.measure()
		status.Components = append(status.Components, component)
	}
	return status
}

func (c *Component) measure() { c.RSS, c.PSS = proc.RSS(c.Pid), proc.PSS(c.Pid) }

func state(ready <-chan struct{}) string {
	if closed(ready) {
		return running
	}
	return starting
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
