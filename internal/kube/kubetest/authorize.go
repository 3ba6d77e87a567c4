package kubetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/yaml"
)

// Allow lets clients do from now on what the Roles among the YAML documents
// allow in any namespace, and nothing else. Without a Role they may do
// everything again.
func (s *Server) Allow(documents ...string) error {
	var rules []rbacv1.PolicyRule
	for _, text := range documents {
		for _, document := range strings.Split("\n"+text, "\n---") {
			var role rbacv1.Role
			if err := yaml.Unmarshal([]byte(document), &role); err != nil {
				return fmt.Errorf("read a Role: %w", err)
			}
			if role.Kind == "Role" {
				rules = append(rules, role.Rules...)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = rules
	return nil
}

// authorize is the RBAC authorizer as a fault.
func (s *Server) authorize(rules []rbacv1.PolicyRule) Fault {
	return func(r Request) error {
		if rules == nil || slices.ContainsFunc(rules, func(rule rbacv1.PolicyRule) bool { return allows(rule, r) }) {
			return nil
		}
		return forbidden(r)
	}
}

func allows(rule rbacv1.PolicyRule, r Request) bool {
	resource := r.Resource
	if sub, _, _ := strings.Cut(r.Subresource, "/"); sub != "" {
		resource += "/" + sub
	}
	return slices.Contains(rule.Verbs, r.Verb) &&
		slices.Contains(rule.APIGroups, r.Group) &&
		slices.Contains(rule.Resources, resource) &&
		(len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, r.Name))
}

// forbidden says what Kubernetes' authorizer says
// (k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go).
func forbidden(r Request) error {
	where := "at the cluster scope"
	if r.Namespace != "" {
		where = fmt.Sprintf("in the namespace %q", r.Namespace)
	}
	reason := fmt.Sprintf("User %q cannot %s resource %q in API group %q %s", "test", r.Verb, r.Resource, r.Group, where)
	return apierrors.NewForbidden(r.key().groupResource(), r.Name, errors.New(reason))
}
