package workload

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPickVersion(t *testing.T) {
	const digest = "@sha256:1111111111111111111111111111111111111111111111111111111111111111"
	tests := []struct {
		image, stable string
		taken         []string
		want          string
	}{
		{image: "versioned-echo:v2", stable: "v1", want: "v2"},
		{image: "registry.example:5000/team/shop:v2", stable: "v1", want: "v2"},
		{image: "shop:1.4.2", stable: "v1", want: "1-4-2"},
		{image: "shop:Feature_X.1", stable: "v1", want: "feature-x-1"},
		{image: "shop:v2" + digest, stable: "v1", want: "v2"},
		{image: "shop" + digest, stable: "v1", want: "v2"},
		{image: "registry.example:5000/shop", stable: "v9", want: "v10"},
		{image: "shop:latest", stable: "v1", want: "v2"},
		{image: "shop:v1", stable: "v1", want: "v2"},
		{image: "shop", stable: "blue", want: "blue-2"},
		{image: "shop", stable: "blue-2", want: "blue-3"},
		{image: "shop", stable: "v2", taken: []string{"v3"}, want: "v4"},
		{image: "shop:v1", stable: "v2", taken: []string{"v1"}, want: "v3"},
		{image: "shop:___", stable: "v1", want: "v2"},
	}
	for _, tt := range tests {
		t.Run(tt.image+" over "+tt.stable, func(t *testing.T) {
			got, err := PickVersion(tt.image, tt.stable, tt.taken...)
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if err := ValidateVersion(got); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestValidateVersion(t *testing.T) {
	for _, bad := range []string{"", "1.4.2", "V2", "v2-", "v 2", "a23456789-123456789-123456789-123456789-123456789-123456789-1234"} {
		if err := ValidateVersion(bad); !errors.Is(err, ErrVersion) {
			t.Errorf("version %q: got error %v, want ErrVersion", bad, err)
		}
	}
}

func TestParseImage(t *testing.T) {
	tests := map[string]image{
		"shop":                   {repository: "shop"},
		"shop:v1":                {repository: "shop", tag: "v1"},
		"host:5000/shop":         {repository: "host:5000/shop"},
		"host:5000/a/shop:v1":    {repository: "host:5000/a/shop", tag: "v1"},
		"shop@sha256:abc":        {repository: "shop", digest: "sha256:abc"},
		"host:5/shop:v1@sha256:": {repository: "host:5/shop", tag: "v1", digest: "sha256:"},
	}
	for ref, want := range tests {
		got, err := parseImage(ref)
		if err != nil || got != want {
			t.Errorf("parseImage(%q) = %+v, %v; want %+v", ref, got, err, want)
		}
	}
	for _, bad := range []string{"", "shop:", ":v1", "shop v1", "shop@abc"} {
		if got, err := parseImage(bad); err == nil {
			t.Errorf("parseImage(%q) = %+v, want an error", bad, got)
		}
	}
}

func TestPickContainer(t *testing.T) {
	tests := map[string]struct {
		names           []string
		asked, declared string
		want            int
	}{
		"asked for":              {names: []string{"shop", "proxy"}, asked: "proxy", declared: "shop", want: 1},
		"the only one":           {names: []string{"web"}, want: 0},
		"declared":               {names: []string{"shop", "web"}, declared: "web", want: 1},
		"named as the app":       {names: []string{"proxy", "shop"}, want: 1},
		"declared but not there": {names: []string{"proxy", "shop"}, declared: "web", want: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := pickContainer(tt.names, tt.asked, tt.declared, "shop")
			if err != nil || got != tt.want {
				t.Errorf("got %d, %v; want %d", got, err, tt.want)
			}
		})
	}
}

func TestParseEnv(t *testing.T) {
	tests := map[string]Env{
		"A=b":     {Name: "A", Value: "b"},
		"A=":      {Name: "A"},
		"A=b=c d": {Name: "A", Value: "b=c d"},
	}
	for text, want := range tests {
		got, err := ParseEnv(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("ParseEnv(%q): error %v, diff:\n%s", text, err, diff)
		}
	}
	for _, bad := range []string{"A", "=b", "a b=c"} {
		if got, err := ParseEnv(bad); err == nil {
			t.Errorf("ParseEnv(%q) = %+v, want an error", bad, got)
		}
	}
}
