package workload

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const wanted = `
metadata: {name: shop-v2, labels: {app: shop, version: v2}}
spec:
  replicas: 2
  template:
    spec:
      containers:
        - {name: shop, image: "shop:v2", env: [{name: APP_VERSION, value: v2}]}
        - {name: proxy, image: "proxy:1"}
`

func TestDifferences(t *testing.T) {
	two := 2
	tests := map[string]struct {
		live string
		spec Spec
		want []string
	}{
		"the same, with what the API server fills in": {
			live: `
metadata: {name: shop-v2, uid: x, labels: {app: shop, version: v2, added: by-admission}}
spec:
  replicas: 2
  progressDeadlineSeconds: 600
  template:
    metadata: {creationTimestamp: null}
    spec:
      dnsPolicy: ClusterFirst
      containers:
        - {name: shop, image: "shop:v2", imagePullPolicy: IfNotPresent, env: [{name: APP_VERSION, value: v2}]}
        - {name: proxy, image: "proxy:1", resources: {}}
status: {replicas: 2}
`,
		},
		"scaled by somebody, which is not asked about": {
			live: `
metadata: {labels: {app: shop, version: v2}}
spec:
  replicas: 5
  template:
    spec:
      containers:
        - {name: shop, image: "shop:v2", env: [{name: APP_VERSION, value: v2}]}
        - {name: proxy, image: "proxy:1"}
`,
		},
		"stopped": {
			live: `
metadata: {labels: {app: shop, version: v2}}
spec:
  replicas: 0
  template:
    spec:
      containers:
        - {name: shop, image: "shop:v2", env: [{name: APP_VERSION, value: v2}]}
        - {name: proxy, image: "proxy:1"}
`,
			want: []string{"spec.replicas: wanted 2, live 0"},
		},
		"different": {
			spec: Spec{Replicas: &two},
			live: `
metadata: {labels: {app: shop}}
spec:
  replicas: 5
  template:
    spec:
      containers:
        - {name: shop, image: "shop:v3", env: [{name: APP_VERSION, value: v2}, {name: A, value: b}]}
        - {name: proxy, image: "proxy:1"}
`,
			want: []string{
				"metadata.labels.version: wanted v2, live none",
				"spec.replicas: wanted 2, live 5",
				"spec.template.spec.containers[shop].env: wanted [APP_VERSION], live [APP_VERSION, A]",
				"spec.template.spec.containers[shop].image: wanted shop:v2, live shop:v3",
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := Differences(object(t, wanted), object(t, tt.live), tt.spec)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	var out unstructured.Unstructured
	if err := yaml.Unmarshal([]byte(text), &out.Object); err != nil {
		t.Fatal(err)
	}
	return &out
}
