package adopt

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// Back plans to take back what adopt did, the last first: routes name no version before
// its subset goes, and that goes before the labels that it selects. It is refused, with
// nothing changed, while there is another version that a plain route would send requests
// to, and once the version that was brought in is not the stable one any more.
func Back(s Situation) (Plan, error) {
	p := Plan{Namespace: s.Survey.Namespace, Host: s.Survey.Host, Undo: true}
	for _, o := range s.Survey.Senders {
		if o.Adopted != nil {
			p.Version = o.Adopted.Version
			p.Changes = append(p.Changes, Change{Kind: Route, Object: o.Kind + " " + o.Name, Name: o.Name, Keeper: o.Keeper, Cost: noRestart + ", the same Pods answer",
				What: unnamed(o), Gone: o.Adopted.Made != ""})
		}
	}
	for _, d := range s.Survey.Definitions {
		if d.Adopted != nil {
			p.Version = d.Adopted.Version
			p.Changes = append(p.Changes, Change{Kind: Subset, Object: d.Kind + " " + d.Name, Name: d.Name, Keeper: d.Keeper, Cost: noRestart,
				What: undefined(d), Gone: d.Adopted.Made != ""})
		}
	}
	for _, v := range s.Deployments {
		if a := v.Adopted(s.Survey.Canonical); a != nil {
			p.Version, p.Deployment = a.Version, v
			p.Changes = append(p.Changes, Change{Kind: Labels, Object: "Deployment " + v.Deployment, Name: v.Deployment, Keeper: keeperOf(v), Labels: a.Labels,
				What: "label " + text(a.Labels) + " on its Pods", Cost: replaced(v)})
			p.Risks = risks(v)
		}
	}
	if len(p.Changes) == 0 {
		return p, nil
	}
	p.Begun = p.Changes[0].Kind != Route
	return p, s.undoable(p)
}

func unnamed(o traffic.Sender) string {
	switch {
	case o.Adopted.Made != "":
		return "which adopt made"
	case !slices.Contains(o.Versions, o.Adopted.Version):
		return "the record of adopt; no destination names " + o.Adopted.Version + " any more"
	}
	return "subset " + o.Adopted.Version + " in its destinations"
}

func undefined(d traffic.Definition) string {
	switch {
	case d.Adopted.Made != "":
		return "which adopt made"
	case d.Adopted.Was != nil:
		return "labels of subset " + d.Adopted.Version
	}
	return "subset " + d.Adopted.Version
}

// undoable is an error unless the version that was brought in is the only one, and nothing
// but what is taken back names it.
func (s Situation) undoable(p Plan) error {
	if err := s.calm(); err != nil {
		return err
	}
	for _, o := range s.Survey.Senders {
		if err := held(o, p.Version); err != nil {
			return err
		}
	}
	var own, others []string
	labels, defined := s.subset(p.Version)
	for _, v := range s.Deployments {
		switch {
		case v.Adopted(s.Survey.Canonical) != nil, defined && within(labels, v.Labels):
			own = append(own, v.Deployment)
		case v.Desired > 0:
			others = append(others, v.Deployment)
		}
	}
	switch {
	case len(others) > 0 && len(own) == 0:
		return hint.Wrap(fmt.Errorf("undo adopt of %s: Deployment %s runs by now, and what adopt brought in as %s is gone: there is nothing to go back to", s.Survey.Host, strings.Join(others, " and "), p.Version),
			"leave it as it is; the next release begins with canaryctl release --image IMAGE")
	case len(others) > 0:
		return hint.Wrap(fmt.Errorf("undo adopt of %s: %w: Deployment %s is behind Service %s, and would get requests at once", s.Survey.Host, traffic.ErrServing, strings.Join(others, " and "), s.Survey.Host),
			"remove it first: canaryctl delete-canary, or kubectl -n %s delete deployment %s; nothing was changed", s.Survey.Namespace, others[0])
	}
	for _, c := range p.Changes {
		for key := range c.Labels {
			if _, selects := s.Survey.Selector[key]; selects {
				return hint.Wrap(fmt.Errorf("undo adopt of %s: %w: Service %s selects %s by now", s.Survey.Host, workload.ErrNotSelected, s.Survey.Host, key),
					"take it out of the Service's selector first; nothing was changed")
			}
		}
		if err := s.shared(p, c); err != nil {
			return err
		}
	}
	return nil
}

// shared is an error where a subset of another host selects the Pods by labels that a
// change takes away: requests for that host would find none.
func (s Situation) shared(p Plan, c Change) error {
	if c.Kind != Labels {
		return nil
	}
	for _, d := range s.Survey.Others {
		for _, name := range slices.Sorted(maps.Keys(d.Versions)) {
			labels := d.Versions[name]
			for key := range c.Labels {
				if _, by := labels[key]; by && within(labels, p.Deployment.Labels) {
					return hint.Wrap(fmt.Errorf("undo adopt of %s: %w: %s %s, of host %s, selects the same Pods by %s", s.Survey.Host, traffic.ErrServing, d.Kind, d.Name, d.Host, text(labels)),
						"canaryctl adopt --undo -n %s --host %s takes that back, where adopt did it; else take subset %s away; nothing was changed", s.Survey.Namespace, d.Host, name)
				}
			}
		}
	}
	return nil
}

// held is an error where a sender knows of another version, or names this one by itself.
func held(o traffic.Sender, version string) error {
	route := o.Route
	switch {
	case route == nil:
	case route.Stable != version:
		return hint.Wrap(fmt.Errorf("undo adopt: %s: %s is the stable version by now, and %s, which adopt brought in, is not: there is nothing to go back to", route, route.Stable, version),
			"canaryctl rollback returns to %s while it is kept; else leave it as it is: your next manifests name the Deployment of %s", version, route.Stable)
	case route.Previous() != "" && route.Previous() != version:
		return hint.Wrap(fmt.Errorf("undo adopt: %s: %w: %s is kept for a late rollback", route, traffic.ErrServing, route.Previous()),
			"remove it first: canaryctl delete-canary --version %s; nothing was changed", route.Previous())
	case route.Position != nil && route.Position.Canary != "":
		return hint.Wrap(fmt.Errorf("undo adopt: %s: %w: %s is the canary", route, traffic.ErrServing, route.Position.Canary),
			"remove it first: canaryctl delete-canary; nothing was changed")
	case o.Adopted == nil:
		return hint.Wrap(fmt.Errorf("undo adopt: %s names %s, and did not when adopt was run: its requests would be answered with 503", route, version),
			"take the subset out of its destinations first: kubectl -n %s edit virtualservice %s; nothing was changed", route.Namespace, route.Name)
	}
	return nil
}
