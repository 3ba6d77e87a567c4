#!/usr/bin/env bash
# Prepares the Kubernetes of Docker Desktop for the lab guide: Istio, sidecar
# injection in the namespace "default", and kube-prometheus-stack with Grafana.
# Safe to run again: every step states an end, not a change.
#
#   bash scripts/docker-desktop-istio-prom.sh
set -euo pipefail
cd "$(dirname "$0")/.."

readonly context=docker-desktop
readonly charts=https://prometheus-community.github.io/helm-charts

say() { printf '==> %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  exit 1
}

# Every call names the context, so that a switch in another terminal cannot
# send the rest of this script to another cluster.
kube() { kubectl --context "$context" "$@"; }

check_tools() {
  local tool
  for tool in docker kubectl istioctl helm; do
    command -v "$tool" >/dev/null ||
      die "$tool is not on the PATH" "Section 1 of docs/lab-guide.md installs it."
  done
}

check_context() {
  local current
  current=$(kubectl config current-context) ||
    die "kubectl has no current context" \
      "Enable Kubernetes in Docker Desktop (Settings > Kubernetes), then:" \
      "kubectl config use-context $context"
  [[ $current == "$context" ]] ||
    die "the current context is \"$current\", and this script changes only \"$context\"" \
      "Nothing was changed. If you mean Docker Desktop: kubectl config use-context $context"
}

check_cluster() {
  say "wait for the node of $context"
  kube get --raw=/readyz >/dev/null ||
    die "the Kubernetes API of $context does not answer" \
      "Nothing was changed. Is Docker Desktop running, with Kubernetes enabled?"
  kube wait --for=condition=Ready node --all --timeout=180s >&2 ||
    die "the node of $context is not Ready after three minutes" \
      "Nothing was changed. See: kubectl describe node"
}

install_istio() {
  say "install Istio (profile default)"
  istioctl install --context "$context" --set profile=default -y >&2 ||
    die "istioctl install failed" "See: istioctl analyze -A, kubectl get pods -n istio-system"
  kube label namespace default istio-injection=enabled --overwrite >&2
}

install_monitoring() {
  say "install kube-prometheus-stack as kps (a few minutes the first time)"
  helm repo add prometheus-community "$charts" --force-update >&2 ||
    die "helm could not read $charts" "Check the network or proxy, and run this script again."
  helm upgrade --install kps prometheus-community/kube-prometheus-stack \
    --kube-context "$context" --namespace monitoring --create-namespace \
    --values scripts/kps-values.yaml --wait --timeout 15m >&2 ||
    die "helm upgrade kps failed" "See: kubectl get pods -n monitoring, helm status kps -n monitoring"
  kube apply -f k8s/monitoring/ >&2
}

wait_until_ready() {
  local namespace
  for namespace in istio-system monitoring; do
    say "wait for every Deployment in $namespace"
    kube wait --for=condition=Available deployment --all -n "$namespace" --timeout=300s >&2 ||
      die "not everything in $namespace is available after five minutes" \
        "See: kubectl get pods -n $namespace"
  done
}

check_tools
check_context
check_cluster
install_istio
install_monitoring
wait_until_ready
say "ready. Next:"
cat <<'NEXT'
kubectl get pods -n istio-system
kubectl get pods -n monitoring
bash scripts/demo.sh
NEXT
