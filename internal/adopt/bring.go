package adopt

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// Bring plans what a release needs and is not there: labels by which the running
// version's Pods are told from a canary's, a subset that selects them, and routes of which
// every destination names it. In that order: a subset without Pods, or a route to a subset
// that is not known yet, answers with 503.
func Bring(s Situation) (Plan, error) {
	p := Plan{Namespace: s.Survey.Namespace, Host: s.Survey.Host}
	routed, err := s.routed()
	if err != nil {
		return p, err
	}
	if p.Deployment, err = s.deployment(routed); err != nil {
		return p, err
	}
	if p.Version, err = s.name(routed, p.Deployment); err != nil {
		return p, err
	}
	pods, subset := s.told(p.Version, p.Deployment.Labels)
	p.Told = subset
	for key, told := range subset {
		if value, selects := s.Survey.Selector[key]; selects && tells(p.Version, map[string]string{key: told}) {
			return p, hint.Wrap(fmt.Errorf("adopt %s: %w: Service %s selects %s=%s, which a canary's Pods would not have", p.Host, workload.ErrNotSelected, p.Host, key, value),
				"take %s out of the Service's selector, which goes on selecting the same Pods by the rest of it (%s); nothing was changed", key, text(without(s.Survey.Selector, key)))
		}
	}
	p.There = append(p.There, fmt.Sprintf("Service %s selects %s", p.Host, text(s.Survey.Selector)))
	s.addLabels(&p, pods)
	s.addSubset(&p, subset)
	s.addRoutes(&p)
	if len(p.Changes) == 0 {
		return p, nil
	}
	if err := s.known(); err != nil {
		return p, err
	}
	p.Begun = s.begun()
	p.Notes = append(p.Notes, s.Survey.Notes...)
	return p, s.calm()
}

func without(labels map[string]string, key string) map[string]string {
	left := maps.Clone(labels)
	delete(left, key)
	return left
}

// routed is the version that the routes call stable; "" where none names any.
func (s Situation) routed() (string, error) {
	var all []string
	for _, sender := range s.Survey.Senders {
		if sender.Route != nil && !slices.Contains(all, sender.Route.Stable) {
			all = append(all, sender.Route.Stable)
		}
	}
	if len(all) > 1 {
		return "", hint.Wrap(fmt.Errorf("adopt %s: %w: the routes of host %s call %s stable", s.Survey.Host, traffic.ErrAmbiguous, s.Survey.Host, strings.Join(all, " and ")),
			"let them name one version: kubectl -n %s get virtualservices -o yaml", s.Survey.Namespace)
	}
	return strings.Join(all, ""), nil
}

// deployment is the one that is the running version: behind the Service, and behind the
// subset that the routes name, where they do.
func (s Situation) deployment(routed string) (workload.Version, error) {
	found := s.Deployments
	narrow := func(fits func(workload.Version) bool) {
		if some := slices.DeleteFunc(slices.Clone(found), func(v workload.Version) bool { return !fits(v) }); len(some) > 0 {
			found = some
		}
	}
	if labels, ok := s.subset(routed); ok {
		narrow(func(v workload.Version) bool { return within(labels, v.Labels) })
	}
	narrow(func(v workload.Version) bool { return v.Desired > 0 })
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return workload.Version{}, hint.Wrap(fmt.Errorf("adopt %s: %w: Service %s selects %s, and no Deployment's Pods have that", s.Survey.Host, ErrNoVersion, s.Survey.Host, text(s.Survey.Selector)),
			"name another Service with --host; kubectl -n %s get deployments --show-labels shows those there are", s.Survey.Namespace)
	}
	names := make([]string, len(found))
	for i, v := range found {
		names[i] = v.Deployment
	}
	return workload.Version{}, hint.Wrap(fmt.Errorf("adopt %s: %w: Service %s sends requests to %s", s.Survey.Host, ErrNoVersion, s.Survey.Host, strings.Join(names, " and ")),
		"a version is one Deployment: take the others out of the Service's selector, or scale them to 0; nothing was changed")
}

// name is what the running version is called: as the routes do, or somebody asks for; else
// as the subset that selects its Pods already; else as its Pods or their image say.
func (s Situation) name(routed string, d workload.Version) (string, error) {
	switch {
	case routed != "" && s.Version != "" && routed != s.Version:
		return "", hint.Wrap(fmt.Errorf("adopt %s: the routes call the running version %s, not %s", s.Survey.Host, routed, s.Version), "leave --version out")
	case routed != "":
		return routed, nil
	case s.Version != "":
		return s.Version, nil
	}
	var taken []string
	for _, def := range s.Survey.Definitions {
		for _, name := range slices.Sorted(maps.Keys(def.Versions)) {
			if labels := def.Versions[name]; tells(name, labels) && within(labels, d.Labels) {
				return name, nil
			} else if tells(name, labels) && !fillable(labels, d.Labels) {
				taken = append(taken, name)
			}
		}
	}
	image := d.Image
	if image == "" && d.Labels[workload.LabelVersion] == "" {
		return "", hint.Wrap(fmt.Errorf("adopt %s: %w: several containers, %s", s.Survey.Host, workload.ErrContainer, strings.Join(d.Images, ", ")), "name the version with --version")
	}
	if image == "" {
		image = d.Images[0]
	}
	return workload.NameVersion(d.Labels[workload.LabelVersion], image, taken...)
}

// tells reports whether a subset's labels tell its Pods from those of a canary, which gets
// all labels of the stable version but the label "version" and those that say its name.
func tells(name string, labels map[string]string) bool {
	if _, ok := labels[workload.LabelVersion]; ok {
		return true
	}
	for key, value := range labels {
		if value == name && key != workload.LabelApp {
			return true
		}
	}
	return false
}

// fillable reports whether Pods may get the labels that they have not.
func fillable(labels, pods map[string]string) bool {
	for key, value := range labels {
		if have, ok := pods[key]; ok && have != value {
			return false
		}
	}
	return true
}

// told are the labels that the version's subset has to select, and those of them that its
// Pods have not: what is there stays where that is enough.
func (s Situation) told(version string, pods map[string]string) (missing, subset map[string]string) {
	labels, defined := s.subset(version)
	fits := fillable(labels, pods)
	subset = map[string]string{}
	if fits {
		maps.Copy(subset, labels)
	}
	if !defined || !fits || !tells(version, labels) {
		subset[workload.LabelVersion] = cmp.Or(pods[workload.LabelVersion], version)
	}
	missing = maps.Clone(subset)
	maps.DeleteFunc(missing, func(key, value string) bool { return pods[key] == value })
	return missing, subset
}

func (s Situation) addLabels(p *Plan, missing map[string]string) {
	d := p.Deployment
	object := "Deployment " + d.Deployment
	if len(missing) == 0 {
		p.There = append(p.There, object+": its Pods have what tells them from a canary's")
		return
	}
	p.There = append(p.There, fmt.Sprintf("%s has %s", object, count(d.Desired, "Pod")))
	p.Changes = append(p.Changes, Change{
		Kind: Labels, Object: object, Name: d.Deployment, Labels: missing, Keeper: keeperOf(d),
		What: "label " + text(missing) + " on its Pods",
		Cost: replaced(d),
	})
	p.Risks = append(p.Risks, risks(d)...)
	if s.Autoscaled {
		p.Notes = append(p.Notes, fmt.Sprintf("%s's selector (%s) is left alone, and selects a canary's Pods, too: its autoscaler averages over both", object, text(selectorOf(d))))
	}
}

const noRestart = "no Pod restarts"

func (s Situation) addSubset(p *Plan, labels map[string]string) {
	have, defined := s.subset(p.Version)
	if defined && maps.Equal(have, labels) {
		p.There = append(p.There, fmt.Sprintf("subset %s selects %s", p.Version, text(labels)))
		return
	}
	c := Change{Kind: Subset, Object: "a DestinationRule", Labels: labels, Cost: noRestart,
		What: fmt.Sprintf("subset %s, which selects %s", p.Version, text(labels))}
	for _, d := range s.Survey.Definitions {
		if _, has := d.Versions[p.Version]; has || c.Name == "" {
			c.Object, c.Name, c.Keeper = d.Kind+" "+d.Name, d.Name, d.Keeper
		}
		if d.Policy {
			p.Notes = append(p.Notes, fmt.Sprintf("subset %s inherits the trafficPolicy of %s %s", p.Version, d.Kind, d.Name))
		}
	}
	if defined {
		c.What = fmt.Sprintf("subset %s has to select %s, and selects %s", p.Version, text(labels), orNothing(text(have)))
	}
	p.Changes = append(p.Changes, c)
}

func orNothing(s string) string {
	if s == "" {
		return "all"
	}
	return s
}

func (s Situation) addRoutes(p *Plan) {
	if len(s.Survey.Senders) == 0 {
		p.Changes = append(p.Changes, Change{Kind: Route, Object: "a VirtualService", Cost: noRestart + ", the same Pods answer",
			What: fmt.Sprintf("a route that sends all requests for %s to %s", p.Host, p.Version)})
	}
	for _, sender := range s.Survey.Senders {
		object := sender.Kind + " " + sender.Name
		switch {
		case sender.Bare > 0:
			p.Changes = append(p.Changes, Change{Kind: Route, Object: object, Name: sender.Name, Keeper: sender.Keeper, Cost: noRestart + ", the same Pods answer",
				What: fmt.Sprintf("subset %s in %s", p.Version, count(sender.Bare, "destination"))})
		case len(sender.Versions) > 0:
			p.There = append(p.There, object+" names "+strings.Join(sender.Versions, " and "))
		}
	}
}

// known is an error where some who follow the routes would not know the subset.
func (s Situation) known() error {
	for _, d := range s.Survey.Definitions {
		if d.Narrow != "" {
			return hint.Wrap(fmt.Errorf("adopt %s: %s %s %s: requests to its subset would be answered with 503, so that this %w", s.Survey.Host, d.Kind, d.Name, d.Narrow, traffic.ErrUnsupported),
				"let it hold for all who call %s: kubectl -n %s edit %s %s; nothing was changed", s.Survey.Host, s.Survey.Namespace, strings.ToLower(d.Kind), d.Name)
		}
	}
	return nil
}

// begun reports whether adopt did a part of it before.
func (s Situation) begun() bool {
	adopted := func(a *canary.Adopted) bool { return a != nil }
	return slices.ContainsFunc(s.Survey.Senders, func(o traffic.Sender) bool { return adopted(o.Adopted) }) ||
		slices.ContainsFunc(s.Survey.Definitions, func(d traffic.Definition) bool { return adopted(d.Adopted) }) ||
		slices.ContainsFunc(s.Deployments, func(v workload.Version) bool { return adopted(v.Adopted(s.Survey.Canonical)) })
}

// calm is an error where a release is in progress, or a canary gets requests: what is
// changed here is what they are about.
func (s Situation) calm() error {
	for _, sender := range s.Survey.Senders {
		route := sender.Route
		switch {
		case route == nil:
		case route.Position != nil && route.Position.Release != nil && !route.Position.Release.Phase.Over():
			return hint.Wrap(fmt.Errorf("%s: a release is in progress: %s", route, route.Position.Release.ID),
				"end it first: canaryctl abort, or canaryctl promote; nothing was changed")
		case route.Canary != "" && route.Weights.Canary > 0:
			return hint.Wrap(fmt.Errorf("%s: %w: %s gets %s%%", route, traffic.ErrServing, route.Canary, route.Weights.Canary),
				"finish that first: canaryctl promote, or canaryctl delete-canary; nothing was changed")
		}
	}
	return nil
}
