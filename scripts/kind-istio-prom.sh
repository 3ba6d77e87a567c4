#!/usr/bin/env bash
# A stub, kept so that an old habit meets an explanation instead of a half-made
# cluster.
set -euo pipefail

cat >&2 <<'WHY'
kind-istio-prom.sh does nothing any more.

kind does not share images with Docker: each one has to be loaded into its nodes
after every build, and a forgotten load shows as an old version answering, which
is the one thing a canary lab must not get wrong.

Instead:
  with Docker Desktop   bash scripts/docker-desktop-istio-prom.sh
  without any cluster   make build && ./bin/canary-lab up --detach
WHY
exit 1
