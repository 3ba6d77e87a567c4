package demo

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// film is the record of a run: who answered in every half second, and when
// the weights were changed.
type film struct {
	mu     sync.Mutex
	start  time.Time
	frames []frame
	marks  []mark
}

type frame struct {
	at     time.Duration
	counts Counts // of this frame alone
}

type mark struct {
	at    time.Duration
	label string
}

func (f *film) add(now time.Time, counts Counts) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.start.IsZero() {
		f.start = now
	}
	f.frames = append(f.frames, frame{now.Sub(f.start), counts})
}

func (f *film) mark(now time.Time, label string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.start.IsZero() {
		f.marks = append(f.marks, mark{now.Sub(f.start), label})
	}
}

// The picture's geometry, in pixels.
const (
	pictureWidth, pictureHeight = 900, 380
	plotLeft, plotRight         = 56, 884
	shareTop, shareBottom       = 64, 264
	errorTop, errorBottom       = 292, 340
)

// draw writes the run as SVG: the share of the answers by version, stacked, and
// below it the failed requests of each second.
func (f *film) draw(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.frames) < 2 {
		return fmt.Errorf("draw %s: only %d frames were recorded", path, len(f.frames))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="Share of the answers by version over a canary release">
<rect width="100%%" height="100%%" rx="8" fill="#ffffff"/>
<text x="%d" y="24" font-size="15" font-weight="600" fill="#1f2937">Who answers, and what fails: a release of v2, then of a faulty v3</text>
`, pictureWidth, pictureHeight, plotLeft)
	f.drawShares(&b)
	f.drawErrors(&b)
	f.drawMarks(&b)
	b.WriteString("</svg>\n")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil { //nolint:gosec // a picture is to be seen
		return fmt.Errorf("draw: %w", err)
	}
	return nil
}

func (f *film) x(at time.Duration) float64 {
	end := f.frames[len(f.frames)-1].at
	return plotLeft + (plotRight-plotLeft)*at.Seconds()/end.Seconds()
}

// drawShares stacks v3 over v2 over v1, as bands between cumulative shares.
func (f *film) drawShares(b *strings.Builder) {
	bands := []struct{ version, colour string }{{"v1", "#94a3b8"}, {"v2", "#34d399"}, {"v3", "#f87171"}}
	floor := make([]float64, len(f.frames))
	for i, band := range bands {
		var upper, lower []string
		for k, fr := range f.frames {
			x := f.x(fr.at)
			lower = append(lower, fmt.Sprintf("%.1f,%.1f", x, shareY(floor[k])))
			if total := fr.counts.Sum().Requests; total > 0 {
				floor[k] += float64(fr.counts[band.version].Requests) / float64(total)
			}
			upper = append(upper, fmt.Sprintf("%.1f,%.1f", x, shareY(floor[k])))
		}
		for l, r := 0, len(lower)-1; l < r; l, r = l+1, r-1 {
			lower[l], lower[r] = lower[r], lower[l]
		}
		fmt.Fprintf(b, `<polygon fill="%s" points="%s %s"/>`+"\n", band.colour, strings.Join(upper, " "), strings.Join(lower, " "))
		x := plotRight - 150 + 52*i
		fmt.Fprintf(b, `<rect x="%d" y="14" width="11" height="11" rx="2" fill="%s"/><text x="%d" y="24" fill="#374151">%s</text>`+"\n", x, band.colour, x+16, band.version)
	}
	for _, percent := range []int{0, 50, 100} {
		y := shareY(float64(percent) / 100)
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end" fill="#6b7280">%d%%</text>`+"\n", plotLeft-8, y+4, percent)
	}
}

func shareY(share float64) float64 { return shareBottom - (shareBottom-shareTop)*share }

func (f *film) drawErrors(b *strings.Builder) {
	most := 1
	for _, fr := range f.frames {
		most = max(most, fr.counts.Sum().Errors)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" fill="#6b7280">failed requests</text><line x1="%d" x2="%d" y1="%d" y2="%[5]d" stroke="#d1d5db"/>`+"\n",
		plotLeft, errorTop-6, plotLeft, plotRight, errorBottom)
	for _, fr := range f.frames {
		if n := fr.counts.Sum().Errors; n > 0 {
			h := float64(errorBottom-errorTop) * float64(n) / float64(most)
			fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="4" height="%.1f" fill="#dc2626"><title>%d</title></rect>`+"\n", f.x(fr.at)-2, errorBottom-h, h, n)
		}
	}
	end := f.frames[len(f.frames)-1].at
	for at := time.Duration(0); at <= end; at += 10 * time.Second {
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle" fill="#6b7280">%.0f s</text>`+"\n", f.x(at), errorBottom+18, at.Seconds())
	}
}

func (f *film) drawMarks(b *strings.Builder) {
	const room = 48 // pixels that a label needs
	previous := -1.0 * room
	for _, m := range f.marks {
		x := f.x(m.at)
		at := max(x, previous+room)
		previous = at
		fmt.Fprintf(b, `<line x1="%.1f" x2="%.1[1]f" y1="%d" y2="%d" stroke="#111827" stroke-dasharray="3 3" opacity=".55"/><text x="%.1f" y="%d" text-anchor="middle" fill="#111827">%s</text>`+"\n",
			x, shareTop-8, errorBottom, at, shareTop-14, m.label)
	}
}
