#!/usr/bin/env bash
# The happy path on the cluster of the current context: base, canary, and the
# traffic from v1 to v2 in steps. Works on Docker Desktop and in the lab.
#
#   bash scripts/demo.sh
#
# PAUSE=10           seconds to look at each step
# NAMESPACE=default  where to deploy
# YES=1              do not ask
# SKIP_BUILD=1       the cluster can already pull versioned-echo:v1 and :v2
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:$PWD/bin # where "make build" puts kubectl and canaryctl

readonly pause=${PAUSE:-10} namespace=${NAMESPACE:-default}
readonly route=versioned-echo-virtualservice host=versioned-echo

say() { printf '\n==> %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  exit 1
}

kube() { kubectl --context "$context" -n "$namespace" "$@"; }

check() {
  command -v kubectl >/dev/null || die "kubectl is not on the PATH" "Section 1 of docs/lab-guide.md installs it."
  [[ $pause =~ ^[0-9]+$ ]] || die "PAUSE=$pause is not a whole number of seconds"
  context=$(kubectl config current-context) ||
    die "kubectl has no current context" \
      "With the lab: ./bin/canary-lab up --detach && eval \"\$(./bin/canary-lab env)\"" \
      "With Docker Desktop: kubectl config use-context docker-desktop"
  readonly context
  say "context $context, namespace $namespace"
  kube get --raw=/readyz >/dev/null || die "the Kubernetes API of $context does not answer" "Nothing was changed."
  kube get crd virtualservices.networking.istio.io destinationrules.networking.istio.io >/dev/null ||
    die "Istio is not installed in $context" \
      "Nothing was changed. On Docker Desktop: bash scripts/docker-desktop-istio-prom.sh"
}

# Only a person at a terminal is asked; a pipeline said what it wants by running this.
confirm() {
  [[ -t 0 && -z ${YES:-} ]] || return 0
  local answer
  read -r -p "Deploy versioned-echo there? [y/N] " answer
  [[ $answer == [yY]* ]] || die "not deployed" "Nothing was changed."
}

# The lab runs images as executables that "make build" made; elsewhere Docker
# builds them, and shares them with its own Kubernetes.
build_images() {
  if [[ $context == canary-lab || -n ${SKIP_BUILD:-} ]]; then
    say "images: versioned-echo:v1 and :v2 as they are, nothing to build"
    return
  fi
  command -v docker >/dev/null ||
    die "docker is not on the PATH, and $context needs the images built" \
      "If the cluster can pull them already: SKIP_BUILD=1 bash scripts/demo.sh"
  say "build versioned-echo:v1 and :v2"
  docker build -t versioned-echo:v1 ./versioned-echo >&2
  docker build --build-arg DUMMY=1 -t versioned-echo:v2 ./versioned-echo >&2
}

wait_for() {
  kube rollout status "deployment/versioned-echo-$1" --timeout=180s >&2 && return
  kube get pods -l "app=versioned-echo,version=$1" >&2 || true
  die "versioned-echo-$1 is not available after three minutes" \
    "See: kubectl describe pod -l app=versioned-echo,version=$1 -n $namespace" \
    "ErrImagePull means that the cluster does not share Docker's images: section 15 of docs/lab-guide.md."
}

deploy() {
  say "base: v1 and the route, 100/0"
  kube apply -f k8s/base/deployment-v1.yaml -f k8s/base/destinationrule.yaml -f k8s/base/virtualservice.yaml >&2
  # What an earlier release left on the route would name another stable version.
  kube annotate virtualservice "$route" canaryctl.io/position- >/dev/null
  wait_for v1
  say "canary: v2, without traffic"
  kube apply -f k8s/canary/deployment-v2.yaml >&2
  wait_for v2
}

# set_traffic STABLE CANARY
set_traffic() {
  say "traffic $1/$2"
  if [[ -n $canaryctl ]]; then
    "$canaryctl" --context "$context" -n "$namespace" set-traffic "$1" "$2" --vs "$route" --host "$host"
  else
    kube apply -f "k8s/canary/vs-$1-$2.yaml"
  fi
}

check
confirm
build_images
deploy
canaryctl=$(command -v canaryctl || true) # without it, the YAML files do
readonly canaryctl
set_traffic 90 10
sleep "$pause"
set_traffic 70 30
sleep "$pause"
set_traffic 50 50
sleep "$pause"
set_traffic 0 100

say "v2 answers everything; v1 still runs. Watch it from inside the cluster:"
cat <<NEXT
kubectl run curl -n $namespace --image=curlimages/curl -it --rm --restart=Never -- \\
  sh -lc 'while true; do echo -n "\$(date) -> "; curl -s http://$host/version; sleep 1; done'
NEXT
say "and go back at once:"
if [[ -n $canaryctl ]]; then
  echo "${canaryctl#"$PWD/"} rollback -n $namespace --vs $route --host $host"
else
  echo "kubectl apply -n $namespace -f k8s/base/virtualservice.yaml"
fi
