package cli

import (
	"fmt"
	"strings"
	"sync"

	"github.com/canaryctl/canaryctl/internal/event"
)

// releaseView tells a person of a release: a line for whatever happens, and at a
// terminal, below them and drawn anew, what is known now.
type releaseView struct {
	mu     sync.Mutex
	f      *Factory
	screen *screen
	color  bool
	broken bool // nobody reads standard output
	known  *event.Known
}

func newReleaseView(f *Factory) *releaseView {
	return &releaseView{f: f, screen: newScreen(f.Err), color: Color(f.Err)}
}

// show takes one event.
func (v *releaseView) show(e event.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e.Known != nil {
		v.known = e.Known
	}
	if e.Kind == event.Evidence {
		if v.screen.live {
			v.screen.show(v.now(e))
		}
		return
	}
	v.screen.clear()
	fmt.Fprintln(v.f.Err, v.line(e))
	if v.screen.live && !e.At.Phase.Over() {
		v.screen.show(v.now(e))
	}
}

// note says something that is no event.
func (v *releaseView) note(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.screen.clear()
	fmt.Fprintln(v.f.Err, text)
}

// leave lets what was said last stay.
func (v *releaseView) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.screen.clear()
}

// line is an event for a person: when, what, and why.
func (v *releaseView) line(e event.Event) string {
	text := fmt.Sprintf("%s  %-11s %3s%%  %s", e.Time.Local().Format("15:04:05"), e.Kind, e.At.Weight, e.Message)
	if e.By != "" && !strings.Contains(e.Message, e.By) {
		text += " (" + e.By + ")"
	}
	if !v.color {
		return text
	}
	switch e.Kind {
	case event.RolledBack, event.Foreign, event.Warning:
		return "\x1b[33m" + text + "\x1b[0m"
	case event.Promoted:
		return "\x1b[32m" + text + "\x1b[0m"
	}
	return text
}

// now is the release at this moment, in some lines.
func (v *releaseView) now(e event.Event) string {
	const cells = 40
	filled := cellsOf(e.At.Weight, cells)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s  %s %s%%", e.Release.From, strings.Repeat("█", cells-filled)+strings.Repeat("▒", filled), e.Release.To, e.At.Weight)
	if e.At.Step >= 0 {
		fmt.Fprintf(&b, "  step %d of %d", e.At.Step+1, e.At.Steps)
	}
	if v.known == nil {
		return b.String()
	}
	b.WriteByte('\n')
	b.WriteString(wrap(knownText(*v.known), v.screen.width()))
	return b.String()
}
