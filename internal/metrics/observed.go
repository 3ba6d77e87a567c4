package metrics

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Observed asks one source after the other and returns the first figures that
// there are. It returns within Patience and never fails: without figures,
// Reason says why.
func Observed(ctx context.Context, q Query, sources ...Source) Observation {
	if q.Window < time.Second {
		q.Window = DefaultWindow
	}
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()

	// A source that does not exist is worth a word only when no other has more
	// to say.
	reason := "no Prometheus found; name one with --prometheus-url"
	said := false
	for _, s := range sources {
		got, err := ask(ctx, s, q)
		if err == nil {
			return got
		}
		if !said && !errors.Is(err, ErrAbsent) {
			reason, said = err.Error(), true
		}
	}
	return Observation{Window: q.Window, Reason: reason}
}

// series is one way to count requests by version.
type series struct{ name, promQL, label string }

// ask tries the mesh's own counters first: they cover every application, and
// count what the users' side of the route saw. The application's own counters
// do where there is no mesh.
func ask(ctx context.Context, s Source, q Query) (Observation, error) {
	for _, one := range []series{mesh(q), application(q)} {
		requests, err := s.Sum(ctx, one.promQL, one.label)
		if err != nil {
			return Observation{}, fmt.Errorf("%s: %w", s.Name(), err)
		}
		got := Observation{Requests: requests, Window: q.Window, Source: s.Name() + ", " + one.name}
		if got.OK() {
			return got, nil
		}
	}
	return Observation{}, fmt.Errorf("%s has no request of %s in the last %s", s.Name(), q.Service, q.Window)
}

// mesh counts with Istio's standard metrics. One reporter is pinned, or every
// request between two sidecars would count twice; it is the destination, which
// knows the version (https://istio.io/latest/docs/reference/config/metrics/).
func mesh(q Query) series {
	service, _, _ := strings.Cut(q.Service, ".") // destination_service_name is the short one
	return series{
		name:  "istio_requests_total",
		label: "destination_version",
		promQL: fmt.Sprintf(`sum by (destination_version) (increase(istio_requests_total{reporter="destination",`+
			`destination_service_name=%s,destination_service_namespace=%s}[%ds]))`,
			strconv.Quote(service), strconv.Quote(q.Namespace), int(q.Window.Seconds())),
	}
}

// application counts with the counter that versioned-echo exports. Pods are
// matched by name, because that is the one label every scrape configuration
// sets; probes and scrapes are no traffic.
func application(q Query) series {
	return series{
		name:  "http_requests_total",
		label: "version",
		promQL: fmt.Sprintf(`sum by (version) (increase(http_requests_total{namespace=%s,pod=~%s,`+
			`route!~"/health|/metrics"}[%ds]))`,
			strconv.Quote(q.Namespace), strconv.Quote(q.App+"-.+"), int(q.Window.Seconds())),
	}
}
