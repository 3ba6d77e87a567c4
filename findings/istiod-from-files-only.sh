#!/usr/bin/env bash
# istiod (module istio.io/istio of 27 August 2026, VERSION 1.31) panics at its start
# where it is to read its configuration from files only, without a Kubernetes:
# "--configDir: Directory to watch for updates to config yaml files. If specified, the
# files will be used as the source of config, rather than a CRD client", or the fs://
# of MeshConfig.configSources. The controller of ServiceEntries asks for the namespaces
# of the cluster, and there is none.
#
# Seen:   panic: runtime error: invalid memory address or nil pointer dereference
#         istio.io/istio/pilot/pkg/serviceregistry/serviceentry.newController(...)
#
# What helps: beside fs://, a k8s:// in configSources and any API server.
#
# Needs Go 1.26 and the Go module proxy; compiling takes 13 minutes of CPU where
# Go's cache has nothing of it. Ends with 1 where the behaviour is another.
set -euo pipefail
version=v0.0.0-20260827124520-eed52ebb66ad
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
GOWORK=off GOBIN=$dir go install -ldflags '-s -w' "istio.io/istio/pilot/cmd/pilot-discovery@$version"
cd "$dir"

mkdir config
cat >config/service.yaml <<'EOF'
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a, namespace: default}
spec:
  hosts: [a.test]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.2}]
EOF
echo '{}' >mesh.yaml

# No kubeconfig, and not the user's either.
if env -u KUBECONFIG HOME="$dir" timeout 60 ./pilot-discovery discovery --configDir "$dir/config" --meshConfig mesh.yaml \
  --registries "" --httpAddr 127.0.0.1:0 --httpsAddr "" --grpcAddr 127.0.0.1:0 --secureGRPCAddr "" \
  --monitoringAddr 127.0.0.1:0 --ctrlz_port 0 >istiod.log 2>&1; then
  echo "istiod ended well" >&2
fi
grep -A6 '^panic:' istiod.log || true
if ! grep -q 'panic: runtime error: invalid memory address' istiod.log || ! grep -q 'serviceentry.newController' istiod.log; then
  tail -3 istiod.log >&2
  echo "it is not so any more" >&2
  exit 1
fi
echo "as described"
