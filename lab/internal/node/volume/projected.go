package volume

import (
	"context"
	"fmt"
	"maps"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
)

// projected puts several sources into one volume.
func (v *Volumes) projected(ctx context.Context, r *request, sources []corev1.VolumeProjection) (payload, error) {
	out := payload{}
	for _, source := range sources {
		var files payload
		var err error
		switch {
		case source.ConfigMap != nil:
			s := source.ConfigMap
			files, err = v.configMap(ctx, r, s.Name, s.Items, s.Optional)
		case source.Secret != nil:
			s := source.Secret
			files, err = v.secret(ctx, r, s.Name, s.Items, s.Optional)
		case source.DownwardAPI != nil:
			files, err = downward(r, source.DownwardAPI.Items)
		case source.ServiceAccountToken != nil:
			files, err = v.token(ctx, r, source.ServiceAccountToken)
		default:
			err = errKind
		}
		if err != nil {
			return nil, err
		}
		maps.Copy(out, files)
	}
	return out, nil
}

// token keeps a token until four fifths of its life are over, as a kubelet does.
func (v *Volumes) token(ctx context.Context, r *request, p *corev1.ServiceAccountTokenProjection) (payload, error) {
	now := v.clock.Now()
	held, ok := v.tokens[p.Audience]
	if !ok || !now.Before(held.renew) {
		spec := authenticationv1.TokenRequestSpec{
			ExpirationSeconds: p.ExpirationSeconds,
			BoundObjectRef: &authenticationv1.BoundObjectReference{
				APIVersion: "v1", Kind: "Pod", Name: r.pod.Name, UID: r.pod.UID,
			},
		}
		if p.Audience != "" {
			spec.Audiences = []string{p.Audience}
		}
		status, err := v.source.Token(ctx, r.pod.Namespace, r.pod.Spec.ServiceAccountName, spec)
		if err != nil {
			return nil, fmt.Errorf("request a token for service account %s/%s: %w", r.pod.Namespace, r.pod.Spec.ServiceAccountName, err)
		}
		life := status.ExpirationTimestamp.Sub(now)
		held = token{value: status.Token, renew: now.Add(life - life/5)}
		v.tokens[p.Audience] = held
	}
	return payload{p.Path: []byte(held.value)}, nil
}

// RefreshEvery is how often a running Pod's volumes are brought up to date. It is
// the kubelet's syncFrequency.
const RefreshEvery = time.Minute
