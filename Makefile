# Everything that is done to this project, in one place. `make help` lists it.

SWIFT ?= swift
PREFIX ?= /usr/local
# Added to every compilation of the debug build; CI turns warnings into errors here.
SWIFT_FLAGS ?=
# Added to `swift test`, for example: make test TEST_FLAGS="--filter PoolTests"
TEST_FLAGS ?=

RELEASE_FLAGS := -c release
ifeq ($(shell uname -s),Linux)
# One binary that runs where no Swift is installed.
RELEASE_FLAGS += --static-swift-stdlib
endif
BINARY := .build/release/trunkline
# Their own folder: `-enable-testing` would compile everything anew each time.
RELEASE_TESTS := -c release -Xswiftc -enable-testing --scratch-path .build/release-tests
FORMATTED := $(wildcard Sources Tests Benchmarks Fuzz Conformance Package.swift)

.DEFAULT_GOAL := help
.PHONY: help deps build demo test test-release bench bench-check fuzz autobahn http-cases soak simulate mutations lint format install clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## Install the system libraries that are missing (apt or brew)
	@scripts/install-dependencies

build: deps ## Build the optimised binary, .build/release/trunkline
	$(SWIFT) build $(RELEASE_FLAGS) --product trunkline

demo: build ## Coordinator, provider and one streamed question (ONCE=1: then exit)
	$(BINARY) demo $(if $(ONCE),--once)

test: deps ## Build everything for debugging and run every test
	$(SWIFT) build --build-tests $(SWIFT_FLAGS)
	$(SWIFT) test --skip-build --disable-xctest $(SWIFT_FLAGS) $(TEST_FLAGS)

test-release: deps ## The same tests, optimised as the binary is: what the optimiser may assume is tested too
	$(SWIFT) build $(RELEASE_TESTS) --build-tests
	$(SWIFT) test $(RELEASE_TESTS) --skip-build --disable-xctest $(TEST_FLAGS)

bench: build ## Measure CPU time per unit of work, beside nginx and HAProxy
	Benchmarks/run

bench-check: build ## The short benchmark; fails when a figure is beyond its bound
	Benchmarks/run --check

fuzz: deps ## Run every fuzzer for SECONDS_EACH (default 60) seconds
	Fuzz/run $(or $(SECONDS_EACH),60)

autobahn: deps ## Run the Autobahn test suite against the WebSocket codec, as server and as client
	Conformance/autobahn

http-cases: build ## Send the HTTP cases to a running coordinator, directly and through nginx and HAProxy
	Conformance/http_cases.py

soak: build ## Real programs and sockets under faults for SECONDS (default 60); SEED=, ACTS=
	SECONDS=$(SECONDS) SEED=$(SEED) $(if $(ACTS),ACTS=$(ACTS)) Chaos/soak $(BINARY)

simulate: deps ## Run SEEDS (default 100000) simulated worlds from FROM (1) on; a failure comes with its repetition
	$(SWIFT) build -c release --product trunkline-simulate
	.build/release/trunkline-simulate --seeds $(or $(SEEDS),100000) --from $(or $(FROM),1)

mutations: deps ## Plant the bugs of scripts/mutations.txt and count the seeds until each is found; run every night
	scripts/mutation-check --seeds $(or $(SEEDS),3000)

lint: ## Check formatting and the walls between the rooms
	@scripts/require-swift
	$(SWIFT) format lint --strict --recursive --parallel $(FORMATTED)
	@scripts/check-rooms
	@scripts/check-tests-named

format: ## Rewrite all Swift files in the house format
	@scripts/require-swift
	$(SWIFT) format --in-place --recursive --parallel $(FORMATTED)

install: build ## Install the binary and its examples under PREFIX (default /usr/local)
	mkdir -p "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/share/trunkline"
	install -m 755 $(BINARY) "$(DESTDIR)$(PREFIX)/bin/trunkline"
	install -m 644 deploy/* "$(DESTDIR)$(PREFIX)/share/trunkline/"

clean: ## Remove all that was built
	rm -rf .build
