package manifests

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The fields that the manifests use of types whose Go packages are too heavy for
// this module. Decoding is strict, so a field that is not here is a failure: a
// typing error, or a field to add.

type virtualService struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Hosts []string `json:"hosts"`
		HTTP  []struct {
			Name  string `json:"name"`
			Route []struct {
				Destination struct {
					Host   string `json:"host"`
					Subset string `json:"subset"`
				} `json:"destination"`
				Weight *int `json:"weight"`
			} `json:"route"`
		} `json:"http"`
	} `json:"spec"`
}

type destinationRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Host    string   `json:"host"`
		Subsets []subset `json:"subsets"`
	} `json:"spec"`
}

type subset struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
}

type gateway struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		GatewayClassName string `json:"gatewayClassName"`
		Listeners        []struct {
			Name          string `json:"name"`
			Protocol      string `json:"protocol"`
			Port          int    `json:"port"`
			Hostname      string `json:"hostname"`
			AllowedRoutes struct {
				Namespaces struct {
					From string `json:"from"`
				} `json:"namespaces"`
			} `json:"allowedRoutes"`
		} `json:"listeners"`
	} `json:"spec"`
}

type httpRoute struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ParentRefs []struct {
			Name string `json:"name"`
		} `json:"parentRefs"`
		Hostnames []string `json:"hostnames"`
		Rules     []struct {
			BackendRefs []struct {
				Name   string `json:"name"`
				Port   int    `json:"port"`
				Weight int    `json:"weight"`
			} `json:"backendRefs"`
		} `json:"rules"`
	} `json:"spec"`
}

type rollout struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Replicas             int                   `json:"replicas"`
		RevisionHistoryLimit int                   `json:"revisionHistoryLimit"`
		Selector             *metav1.LabelSelector `json:"selector"`
		Strategy             struct {
			Canary struct {
				TrafficRouting struct {
					Istio struct {
						VirtualService struct {
							Name   string   `json:"name"`
							Routes []string `json:"routes"`
						} `json:"virtualService"`
						DestinationRule struct {
							Name   string `json:"name"`
							Stable string `json:"stableSubsetName"`
							Canary string `json:"canarySubsetName"`
						} `json:"destinationRule"`
					} `json:"istio"`
				} `json:"trafficRouting"`
				Steps []struct {
					SetWeight *int `json:"setWeight"`
					Pause     *struct {
						Duration string `json:"duration"`
					} `json:"pause"`
				} `json:"steps"`
			} `json:"canary"`
		} `json:"strategy"`
		Template corev1.PodTemplateSpec `json:"template"`
	} `json:"spec"`
}

type serviceMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector                metav1.LabelSelector `json:"selector"`
		ScrapeNativeHistograms  bool                 `json:"scrapeNativeHistograms"`
		ScrapeClassicHistograms bool                 `json:"scrapeClassicHistograms"`
		Endpoints               []monitorEndpoint    `json:"endpoints"`
	} `json:"spec"`
}

type podMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector          metav1.LabelSelector `json:"selector"`
		NamespaceSelector struct {
			Any bool `json:"any"`
		} `json:"namespaceSelector"`
		Endpoints []monitorEndpoint `json:"podMetricsEndpoints"`
	} `json:"spec"`
}

type monitorEndpoint struct {
	Port     string `json:"port"`
	Path     string `json:"path"`
	Interval string `json:"interval"`
}

// typeOf returns an empty value of an object's type, or nil for one that the
// project does not ship.
func typeOf(o Object) any {
	switch o.APIVersion + " " + o.Kind {
	case "v1 ConfigMap":
		return new(corev1.ConfigMap)
	case "v1 Service":
		return new(corev1.Service)
	case "apps/v1 Deployment":
		return new(appsv1.Deployment)
	case "networking.k8s.io/v1 Ingress":
		return new(networkingv1.Ingress)
	case "networking.istio.io/v1 VirtualService":
		return new(virtualService)
	case "networking.istio.io/v1 DestinationRule":
		return new(destinationRule)
	case "gateway.networking.k8s.io/v1 Gateway":
		return new(gateway)
	case "gateway.networking.k8s.io/v1 HTTPRoute":
		return new(httpRoute)
	case "argoproj.io/v1alpha1 Rollout":
		return new(rollout)
	case "monitoring.coreos.com/v1 ServiceMonitor":
		return new(serviceMonitor)
	case "monitoring.coreos.com/v1 PodMonitor":
		return new(podMonitor)
	case "monitoring.coreos.com/v1 PrometheusRule":
		return new(prometheusRule)
	}
	return nil
}
