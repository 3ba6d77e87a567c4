package metrics

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// Sides tell which side of a request counted a series.
type Sides struct {
	where []matcher
	sides []side
}

type side struct {
	of     Side
	labels []matcher
}

// Sides compiles those of the profile. An error wraps ErrProfile.
func (p Profile) Sides() (Sides, error) {
	var all Sides
	var err error
	if all.where, err = matchers(p.Where); err != nil {
		return Sides{}, fmt.Errorf("%w %q: %w", ErrProfile, p.Name, err)
	}
	for _, s := range []struct {
		of     Side
		labels map[string]string
	}{{Sender, p.Sender}, {Receiver, p.Receiver}} {
		if s.labels == nil {
			continue
		}
		labels, err := matchers(s.labels)
		if err != nil {
			return Sides{}, fmt.Errorf("%w %q: %w", ErrProfile, p.Name, err)
		}
		all.sides = append(all.sides, side{s.of, labels})
	}
	if all.sides == nil {
		all.sides = []side{{of: Receiver}}
	}
	return all, nil
}

// Both reports whether there are two.
func (s Sides) Both() bool { return len(s.sides) > 1 }

// Of is empty for a series that the profile leaves out.
func (s Sides) Of(labels map[string]string) Side {
	if !matchAll(s.where, labels) {
		return ""
	}
	for _, one := range s.sides {
		if matchAll(one.labels, labels) {
			return one.of
		}
	}
	return ""
}

// A request between two sidecars is counted by both. Its sender knows what the
// user got: a time-out of the route, one answer for three tries, none at all where
// no Pod could be reached. Its receiver knows which version it was meant for, which
// the sender writes down only with an answer. So where a sender is read it is
// believed, and its receivers say whose its unanswered requests were. Whoever sends
// without a sidecar is known from the receivers alone.

// seenBySender reports whether a sample is of requests that their sender counts too.
func (d *Differ) seenBySender(s *Sample) bool {
	return s.Side == Receiver && d.senders[s.Peer]
}

// peer is one sender in the open interval.
type peer struct {
	nobodys growth          // what ended without a version
	whys    map[Way]string  // how most of that went wrong
	known   map[string]*lag // by version
}

// lag is what both sides counted of one version.
type lag struct{ sentFailed, sentGivenUp, receivedFailed, receivedGivenUp uint64 }

// unanswered are the requests that a receiver saw given up and its sender did not
// ascribe to the version: a time-out of the route, or a user who left.
func (l *lag) unanswered() uint64 {
	ascribed := l.sentGivenUp + l.sentFailed - min(l.sentFailed, l.receivedFailed)
	return l.receivedGivenUp - min(l.receivedGivenUp, ascribed)
}

// peers are all senders that are read.
func (d *Differ) peers() map[string]*peer {
	all := map[string]*peer{}
	for _, t := range d.series {
		s := &t.last
		if !d.senders[s.Peer] || s.Side == "" {
			continue
		}
		p := all[s.Peer]
		if p == nil {
			p = &peer{known: map[string]*lag{}, whys: map[Way]string{}}
			all[s.Peer] = p
		}
		if s.Version == "" {
			for w, n := range t.bad {
				if n > p.nobodys.bad[w] {
					p.whys[w] = s.Why
				}
			}
			p.nobodys.add(t.total, t.bad)
			continue
		}
		l := p.known[s.Version]
		if l == nil {
			l = new(lag)
			p.known[s.Version] = l
		}
		if s.Side == Sender {
			l.sentFailed, l.sentGivenUp = l.sentFailed+t.bad[Failed], l.sentGivenUp+t.bad[GivenUp]
		} else {
			l.receivedFailed, l.receivedGivenUp = l.receivedFailed+t.bad[Failed], l.receivedGivenUp+t.bad[GivenUp]
		}
	}
	return all
}

// pending is what the two sides of a sender have not agreed on: they are read at
// different times, so the other may tell in the next interval.
type pending struct {
	nobodys  map[Way]uint64
	received map[string]uint64
}

// assigned gives the requests that ended without a version to those that they were
// meant for: as the receivers say, and what never reached one in the shares of
// everything else. Where only one version was answered nobody knows the shares, and
// they are left out: that a version lacks requests is told by its share.
func (d *Differ) assigned(known []growth) []growth {
	var all []growth
	now := map[string]pending{}
	peers := d.peers()
	for _, name := range slices.Sorted(maps.Keys(peers)) {
		p, before := peers[name], d.pending[name]
		next := pending{nobodys: map[Way]uint64{}, received: map[string]uint64{}}
		fresh, received := map[string]uint64{}, map[string]uint64{}
		for version, l := range p.known {
			fresh[version] = l.unanswered()
			received[version] = fresh[version] + before.received[version]
		}
		for _, w := range []Way{GivenUp, Failed} { // who left had surely been sent on
			old, n := before.nobodys[w], before.nobodys[w]+p.nobodys.bad[w]
			reached := take(received, n)
			all = append(all, each(reached, w, p.whys[w])...)
			left := n - sum(reached)
			overdue := min(left, old)
			if len(p.known) == 0 {
				overdue = left // there is no receiver to wait for
			}
			all = append(all, each(d.share(known, overdue, w), w, p.whys[w])...)
			next.nobodys[w] = left - overdue
		}
		for version, n := range received {
			next.received[version] = min(n, fresh[version])
		}
		now[name] = next
	}
	d.pending = now
	return all
}

// take takes up to n of the counts, from each in proportion, and returns what it took.
func take(from map[string]uint64, n uint64) map[string]uint64 {
	all := sum(from)
	n = min(n, all)
	taken := map[string]uint64{}
	if n == 0 {
		return taken
	}
	var given uint64
	names := slices.Sorted(maps.Keys(from))
	for _, name := range names {
		taken[name] = uint64(float64(n) * float64(from[name]) / float64(all))
		given += taken[name]
	}
	for i := 0; given < n; i++ { // what was lost by rounding down
		if name := names[i%len(names)]; taken[name] < from[name] {
			taken[name]++
			given++
		}
	}
	for name := range taken {
		from[name] -= taken[name]
	}
	return taken
}

// share divides n as the requests that are known are divided. What is below one
// is owed to later intervals: rounded, the smaller version would never get any.
func (d *Differ) share(known []growth, n uint64, w Way) map[string]uint64 {
	totals := map[string]uint64{}
	for _, g := range known {
		totals[g.version] += g.total
	}
	all := sum(totals)
	if n == 0 || len(totals) < len(d.config.Release.Versions()) || all == 0 {
		return nil
	}
	given := map[string]uint64{}
	for version, total := range totals {
		key := owing{version, w}
		d.owed[key] += float64(n) * float64(total) / float64(all)
		whole := math.Floor(d.owed[key] + 1e-9)
		d.owed[key] -= whole
		given[version] = uint64(whole)
	}
	return given
}

// owing is whose, and in which way.
type owing struct {
	version string
	way     Way
}

func each(counts map[string]uint64, w Way, why string) []growth {
	var all []growth
	for version, n := range counts {
		if n > 0 {
			all = append(all, growth{version: version, total: n, bad: map[Way]uint64{w: n}, why: why})
		}
	}
	return all
}

func sum(counts map[string]uint64) (all uint64) {
	for _, n := range counts {
		all += n
	}
	return all
}

// unread are the versions that may have answered requests in the open interval
// which nothing that was read has counted. A sender counts those of all versions,
// and so does whoever has counted more than one; a Pod counts its own.
func (d *Differ) unread(at time.Time) []string {
	var missing []string
	for _, version := range d.config.Release.Versions() {
		if !d.covered(version, at) {
			missing = append(missing, version)
		}
	}
	return missing
}

func (d *Differ) covered(version string, at time.Time) bool {
	covered := false
	for _, t := range d.targets {
		own := slices.Contains(t.versions, version)
		switch read := t.last.After(d.start); {
		case !own && !t.all:
		case read && t.from.After(d.start), own && !t.all && !read && !t.left && at.Sub(t.last) <= d.config.MaxGap:
			return false // some of what it counted is left out, or not known yet
		case read:
			covered = true
		}
	}
	return covered
}

// heardSenders are those that have been read lately.
func (d *Differ) heardSenders(at time.Time) map[string]bool {
	heard := map[string]bool{}
	for _, t := range d.series {
		if s := &t.last; s.Side == Sender && at.Sub(s.At) <= d.config.MaxGap {
			heard[s.Peer] = true
		}
	}
	return heard
}
