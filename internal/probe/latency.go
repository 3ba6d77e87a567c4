package probe

import (
	"math"
	"time"
)

// latencies is a histogram with buckets that grow by 2%, from a microsecond up:
// a quantile is off by at most 1%, and a probe that runs for a week takes no
// more memory than one that runs for a minute.
type latencies struct {
	counts map[int]int
	total  int
}

const growth = 1.02

func (l *latencies) add(d time.Duration) {
	if l.counts == nil {
		l.counts = make(map[int]int)
	}
	micros := max(1, float64(d)/float64(time.Microsecond))
	l.counts[int(math.Log(micros)/math.Log(growth))]++
	l.total++
}

// quantile returns the nearest-rank quantile, 0 < q <= 1; 0 without values.
func (l *latencies) quantile(q float64) time.Duration {
	if l.total == 0 {
		return 0
	}
	rank := int(math.Ceil(q * float64(l.total)))
	for bucket := 0; ; bucket++ {
		if rank -= l.counts[bucket]; rank <= 0 {
			middle := math.Pow(growth, float64(bucket)+.5)
			return time.Duration(middle * float64(time.Microsecond))
		}
	}
}
