package router

import "cmp"

// The fields of networking.istio.io/v1 that the router honours. See
// https://istio.io/latest/docs/reference/config/networking/virtual-service/ and
// .../destination-rule/. What is not here is reported.

type virtualServiceSpec struct {
	Hosts    []string    `json:"hosts"`
	Gateways []string    `json:"gateways"` // the router stands for the mesh and every gateway
	ExportTo []string    `json:"exportTo"` // one router serves all namespaces
	HTTP     []httpRoute `json:"http"`
	TCP      []tcpRoute  `json:"tcp"`
}

type tcpRoute struct {
	Match []struct {
		Port            int               `json:"port"`
		SourceLabels    map[string]string `json:"sourceLabels"` // as in httpMatch
		SourceNamespace string            `json:"sourceNamespace"`
	} `json:"match"`
	Route []struct {
		Destination istioDestination `json:"destination"`
		Weight      int32            `json:"weight"`
	} `json:"route"`
}

type httpRoute struct {
	Name             string             `json:"name"`
	Match            []httpMatch        `json:"match"`
	Route            []routeDestination `json:"route"`
	Redirect         *httpRedirect      `json:"redirect"`
	DirectResponse   *directResponse    `json:"directResponse"`
	Rewrite          *httpRewrite       `json:"rewrite"`
	Timeout          duration           `json:"timeout"`
	Retries          *httpRetry         `json:"retries"`
	Fault            *httpFault         `json:"fault"`
	Mirror           *istioDestination  `json:"mirror"`
	MirrorPercentage *percentage        `json:"mirrorPercentage"`
	Mirrors          []httpMirror       `json:"mirrors"`
	Headers          *istioHeaders      `json:"headers"`
}

type httpMatch struct {
	Name           string                 `json:"name"`
	URI            *stringMatch           `json:"uri"`
	IgnoreURICase  bool                   `json:"ignoreUriCase"`
	Scheme         *stringMatch           `json:"scheme"`
	Method         *stringMatch           `json:"method"`
	Authority      *stringMatch           `json:"authority"`
	Headers        map[string]stringMatch `json:"headers"`
	WithoutHeaders map[string]stringMatch `json:"withoutHeaders"`
	QueryParams    map[string]stringMatch `json:"queryParams"`
	Port           int                    `json:"port"`
	// The clients of the router carry no labels: a rule for labelled clients
	// applies to none of them, which is reported.
	SourceLabels    map[string]string `json:"sourceLabels"`
	SourceNamespace string            `json:"sourceNamespace"`
}

type routeDestination struct {
	Destination istioDestination `json:"destination"`
	Weight      int32            `json:"weight"`
	Headers     *istioHeaders    `json:"headers"`
}

type istioDestination struct {
	Host   string `json:"host"`
	Subset string `json:"subset"`
	Port   *struct {
		Number int32 `json:"number"`
	} `json:"port"`
}

type httpRedirect struct {
	URI          string `json:"uri"`
	Authority    string `json:"authority"`
	Port         int    `json:"port"`
	Scheme       string `json:"scheme"`
	RedirectCode int    `json:"redirectCode"`
}

type directResponse struct {
	Status int `json:"status"`
	Body   *struct {
		String string `json:"string"`
		Bytes  []byte `json:"bytes"`
	} `json:"body"`
}

type httpRewrite struct {
	URI       string `json:"uri"`
	Authority string `json:"authority"`
	Regex     *struct {
		Match   string `json:"match"`
		Rewrite string `json:"rewrite"`
	} `json:"uriRegexRewrite"`
}

type httpRetry struct {
	Attempts                 int      `json:"attempts"`
	PerTryTimeout            duration `json:"perTryTimeout"`
	RetryOn                  string   `json:"retryOn"`
	Backoff                  duration `json:"backoff"`
	RetryRemoteLocalities    *bool    `json:"retryRemoteLocalities"` // there is one locality
	RetryIgnorePreviousHosts *bool    `json:"retryIgnorePreviousHosts"`
}

type httpFault struct {
	Delay *struct {
		Percentage *percentage `json:"percentage"`
		Percent    float64     `json:"percent"` // deprecated form
		FixedDelay duration    `json:"fixedDelay"`
	} `json:"delay"`
	Abort *struct {
		Percentage *percentage `json:"percentage"`
		HTTPStatus int         `json:"httpStatus"`
	} `json:"abort"`
}

type percentage struct {
	Value float64 `json:"value"`
}

type httpMirror struct {
	Destination istioDestination `json:"destination"`
	Percentage  *percentage      `json:"percentage"`
}

type istioHeaders struct {
	Request  *istioHeaderOps `json:"request"`
	Response *istioHeaderOps `json:"response"`
}

type istioHeaderOps struct {
	Add    map[string]string `json:"add"`
	Set    map[string]string `json:"set"`
	Remove []string          `json:"remove"`
}

type destinationRuleSpec struct {
	Host          string         `json:"host"`
	ExportTo      []string       `json:"exportTo"`
	TrafficPolicy *trafficPolicy `json:"trafficPolicy"`
	Subsets       []struct {
		Name          string            `json:"name"`
		Labels        map[string]string `json:"labels"`
		TrafficPolicy *trafficPolicy    `json:"trafficPolicy"`
	} `json:"subsets"`
}

type trafficPolicy struct {
	LoadBalancer *struct {
		Simple string `json:"simple"`
	} `json:"loadBalancer"`
	ConnectionPool *struct {
		HTTP *struct {
			HTTP2MaxRequests int64 `json:"http2MaxRequests"` // of HTTP/1.1, too
		} `json:"http"`
	} `json:"connectionPool"`
}

// override is the policy of a subset, where p is that of the whole rule: each of
// its fields replaces that of the rule.
func (p trafficPolicy) override(by *trafficPolicy) trafficPolicy {
	if by != nil {
		p.LoadBalancer = cmp.Or(by.LoadBalancer, p.LoadBalancer)
		p.ConnectionPool = cmp.Or(by.ConnectionPool, p.ConnectionPool)
	}
	return p
}

func (p *trafficPolicy) balance() balance {
	if p.LoadBalancer == nil {
		return leastRequest
	}
	switch p.LoadBalancer.Simple {
	case "ROUND_ROBIN":
		return roundRobin
	case "RANDOM":
		return random
	}
	return leastRequest
}

// maxRequests is how many may be in flight to a cluster; 0 for any number.
func (p *trafficPolicy) maxRequests() int64 {
	if p.ConnectionPool == nil || p.ConnectionPool.HTTP == nil {
		return 0
	}
	return p.ConnectionPool.HTTP.HTTP2MaxRequests
}
