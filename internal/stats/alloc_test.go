package stats

import "testing"

func TestUpdateDoesNotAllocate(t *testing.T) {
	s := Scrape{Dispersion: 1.2, Strata: []Counts{
		{Stratum: "/", StableTotal: 900, StableBad: 3, CanaryTotal: 100, CanaryBad: 1},
		{Stratum: "/cart", StableTotal: 90, StableBad: 1, CanaryTotal: 10},
	}}
	for name, p := range processes(withNegligible(Default())) {
		if n := testing.AllocsPerRun(100, func() { _ = p.Update(s) }); n != 0 {
			t.Errorf("%s: %v allocations an update", name, n)
		}
	}
	pods := []PodCounts{{"b", 100, 1}, {"a", 100, 3}}
	var d Dispersion
	if n := testing.AllocsPerRun(100, func() { _ = d.Update(pods) }); n != 0 {
		t.Errorf("dispersion: %v allocations an update", n)
	}
}

func BenchmarkUpdate(b *testing.B) {
	s := rows([4]uint64{900, 3, 100, 1})[0]
	for name, p := range processes(withNegligible(Default())) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Update(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkMetric is what one interval of one metric costs by default: evidence
// against the canary, and for it.
func BenchmarkMetric(b *testing.B) {
	s := rows([4]uint64{900, 3, 100, 1})[0]
	onset, err := NewOnset(Default())
	if err != nil {
		b.Fatal(err)
	}
	safety, err := NewNonInferiority(Default())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, p := range []interface{ Update(Scrape) error }{onset, safety} {
			if err := p.Update(s); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkRatioBounds(b *testing.B) {
	l := new(Ledger)
	for i, s := range rows(make([][4]uint64, 240)...) { // an hour of scrapes 15 s apart
		s.Strata[0] = Counts{StableTotal: 675, StableBad: uint64(i % 7), CanaryTotal: 75, CanaryBad: uint64(i % 3)}
		if err := l.Append(s); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := RatioBounds(l, Default()); err != nil {
			b.Fatal(err)
		}
	}
}
