#!/usr/bin/env bash
# The CLI must stay light: none of these may be compiled into it.
set -euo pipefail
cd "$(dirname "$0")/.."

heavy='^(k8s\.io/kubernetes|go\.etcd\.io/etcd/server|github\.com/prometheus/prometheus|istio\.io/istio)(/|$)'
deps=$(GOWORK=off go list -deps ./cmd/canaryctl)
if found=$(grep -E "$heavy" <<<"$deps"); then
  echo "check-deps: cmd/canaryctl pulls in heavy packages:" >&2
  echo "$found" >&2
  echo "Move what needs them to lab/ or test/; 'go mod why -m MODULE' shows the way in." >&2
  exit 1
fi
if grep -q '^replace' go.mod; then
  echo "check-deps: go.mod has a replace, so 'go install ...@latest' would refuse it" >&2
  exit 1
fi
echo "check-deps: cmd/canaryctl compiles $(wc -l <<<"$deps") packages, none of them heavy" >&2
