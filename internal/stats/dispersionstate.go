package stats

const kindDispersion = "dispersion"

// MarshalText encodes the sums and the blocks that are still open.
func (d *Dispersion) MarshalText() ([]byte, error) {
	var w writer
	for _, b := range []*block{&d.short, &d.long} {
		w.floats(b.observed, b.expected)
		w.uint(uint64(b.scrapes))
		w.uint(uint64(len(b.pods)))
		for _, p := range b.pods {
			w.string(p.Pod)
			w.uint(p.Total)
			w.uint(p.Bad)
		}
	}
	return seal(kindDispersion, w), nil
}

// UnmarshalText decodes what MarshalText wrote; an error wraps ErrState.
func (d *Dispersion) UnmarshalText(text []byte) error {
	r, err := unseal(kindDispersion, text)
	if err != nil {
		return err
	}
	decoded := Dispersion{short: r.block(shortBlock), long: r.block(longBlock)}
	if err := r.done(); err != nil {
		return err
	}
	*d = decoded
	return nil
}

func (r *reader) block(size uint64) block {
	b := block{observed: r.float(), expected: r.float()}
	scrapes := r.uint()
	if scrapes >= size || b.observed < 0 || b.expected < 0 {
		r.fail("%d scrapes in a block of %d, sums of squares %v and %v", scrapes, size, b.observed, b.expected)
		return b
	}
	b.scrapes = int(scrapes)
	for range r.length() {
		p := PodCounts{Pod: r.string(), Total: r.uint(), Bad: r.uint()}
		if n := len(b.pods); n > 0 && p.Pod <= b.pods[n-1].Pod || p.Bad > p.Total || p.Total > longBlock*maxCount {
			r.fail("Pod %q is out of order, or had %d of %d bad", p.Pod, p.Bad, p.Total)
		}
		if r.err != nil {
			return b
		}
		b.pods = append(b.pods, p)
	}
	return b
}
