// Package environ works out the environment of a container: the variables of
// its spec, the downward API, ConfigMaps and Secrets, and what the lab adds.
package environ

import (
	"context"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// ErrConfig marks what a person has to mend in the Pod or beside it: a missing
// ConfigMap, Secret, key or field. It is a container's
// CreateContainerConfigError.
var ErrConfig = errors.New("container config")

// Objects gives the objects that variables refer to. Absent ones are API
// errors of the kind NotFound.
type Objects interface {
	ConfigMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error)
	Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error)
}

// Env is an environment under construction: names in the order of their first
// appearance, each with its last value.
type Env struct {
	names  []string
	values map[string]string
}

// Lookup returns a variable.
func (e *Env) Lookup(name string) (string, bool) {
	value, ok := e.values[name]
	return value, ok
}

// Set gives a variable a value, in place of an earlier one.
func (e *Env) Set(name, value string) {
	if e.values == nil {
		e.values = make(map[string]string)
	}
	if _, ok := e.values[name]; !ok {
		e.names = append(e.names, name)
	}
	e.values[name] = value
}

// Default gives a variable a value unless it has one.
func (e *Env) Default(name, value string) {
	if _, ok := e.values[name]; !ok {
		e.Set(name, value)
	}
}

// Strings lists the variables as "NAME=value", for a process.
func (e *Env) Strings() []string {
	out := make([]string, 0, len(e.names))
	for _, name := range e.names {
		out = append(out, name+"="+e.values[name])
	}
	return out
}

// Container says whose environment is wanted.
type Container struct {
	Pod  *corev1.Pod
	Spec *corev1.Container
	At   Addresses
	// Forced variables win over the spec's of the same name, and are seen by
	// $(NAME) in later ones.
	Forced map[string]string
}

// Build returns the environment that the spec of the container asks for. Errors
// about what it refers to wrap ErrConfig.
func Build(ctx context.Context, objects Objects, c Container) (*Env, error) {
	env := &Env{}
	for name, value := range c.Forced {
		env.Set(name, value)
	}
	slices.Sort(env.names)
	b := &builder{Container: c, objects: objects, env: env}
	for _, from := range c.Spec.EnvFrom {
		if err := b.from(ctx, from); err != nil {
			return nil, err
		}
	}
	for _, v := range c.Spec.Env {
		value, set, err := b.value(ctx, v)
		if err != nil {
			return nil, err
		}
		if set {
			b.set(v.Name, value)
		}
	}
	return env, nil
}

type builder struct {
	Container
	objects Objects
	env     *Env
}

func (b *builder) set(name, value string) {
	if _, forced := b.Forced[name]; !forced {
		b.env.Set(name, value)
	}
}

// from adds every key of a ConfigMap or Secret whose name can be a variable's.
func (b *builder) from(ctx context.Context, from corev1.EnvFromSource) error {
	data := map[string]string{}
	switch {
	case from.ConfigMapRef != nil:
		m, err := b.objects.ConfigMap(ctx, b.Pod.Namespace, from.ConfigMapRef.Name)
		if err != nil {
			return missing(err, from.ConfigMapRef.Optional, "configmap", from.ConfigMapRef.Name)
		}
		data = m.Data
	case from.SecretRef != nil:
		s, err := b.objects.Secret(ctx, b.Pod.Namespace, from.SecretRef.Name)
		if err != nil {
			return missing(err, from.SecretRef.Optional, "secret", from.SecretRef.Name)
		}
		for key, value := range s.Data {
			data[key] = string(value)
		}
	}
	for _, key := range sortedKeys(data) {
		if name := from.Prefix + key; len(validation.IsEnvVarName(name)) == 0 {
			b.set(name, data[key])
		}
	}
	return nil
}

// value resolves one variable; set is false for an optional one that is absent.
func (b *builder) value(ctx context.Context, v corev1.EnvVar) (value string, set bool, err error) {
	from := v.ValueFrom
	switch {
	case from == nil:
		return Expand(v.Value, b.env.Lookup), true, nil
	case from.FieldRef != nil:
		value, err = Field(b.Pod, b.At, from.FieldRef.FieldPath)
	case from.ResourceFieldRef != nil:
		value, err = Resource(b.Spec, from.ResourceFieldRef)
	case from.ConfigMapKeyRef != nil:
		return b.configMapKey(ctx, from.ConfigMapKeyRef)
	case from.SecretKeyRef != nil:
		return b.secretKey(ctx, from.SecretKeyRef)
	default:
		err = errors.New("its source is not one that the lab knows")
	}
	if err != nil {
		return "", false, configErrorf("variable %s: %v", v.Name, err)
	}
	return value, true, nil
}

func (b *builder) configMapKey(ctx context.Context, ref *corev1.ConfigMapKeySelector) (string, bool, error) {
	m, err := b.objects.ConfigMap(ctx, b.Pod.Namespace, ref.Name)
	if err != nil {
		return "", false, missing(err, ref.Optional, "configmap", ref.Name)
	}
	value, ok := m.Data[ref.Key]
	return value, ok, noKey(ok, ref.Optional, ref.Key, "ConfigMap", b.Pod.Namespace, ref.Name)
}

func (b *builder) secretKey(ctx context.Context, ref *corev1.SecretKeySelector) (string, bool, error) {
	s, err := b.objects.Secret(ctx, b.Pod.Namespace, ref.Name)
	if err != nil {
		return "", false, missing(err, ref.Optional, "secret", ref.Name)
	}
	value, ok := s.Data[ref.Key]
	return string(value), ok, noKey(ok, ref.Optional, ref.Key, "Secret", b.Pod.Namespace, ref.Name)
}
