# Two words do everything, set-up included: make demo, make test.
SHELL := /bin/sh
PY := .venv/bin/python
# Only the standard library: these servers start before anything is installed.
SERVERS = $(or $(PYTHON),python3) -m tools.servers
SEEDS ?= 50
WALKS ?= 10000
# More for pytest, say: make test ARGS="-k lanes -x"
ARGS ?=
# Of the engine that demo and loans start: embedded, postgres or kafka.
SHAPE ?= embedded

# The tiers that need no server: the pure core is held by these.
CORE = tests/unit tests/semantics tests/replay tests/patterns tests/simulation

.DEFAULT_GOAL := help
.PHONY: help setup demo dev loans servers servers-down test simulate walks mutants chaos lint \
	types imports check bench coverage mutation lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## both environments: .venv and .venv-user (quick when nothing changed)
	@PYTHON="$(PYTHON)" tools/setup

demo: setup  ## 300 promises, faults, undoing, books compared; SHAPE=postgres, SHAPE=kafka too
	@$(PY) -m examples.demo --shape $(SHAPE) $(ARGS)

dev: setup  ## an engine on SQLite that keeps running, with its docs page
	@.venv/bin/troth-engine dev $(ARGS)

loans: setup  ## a bank's log through the public HTTP ingress: make loans LOG=path.xes.gz
	@test -n "$(LOG)" || { echo "which log? make loans LOG=path/to/log.xes.gz" >&2; exit 2; }
	@$(PY) -m examples.loan_offers --shape $(SHAPE) "$(LOG)" $(ARGS)

servers:  ## PostgreSQL and Kafka on this machine, for tests and for trying; prints where
	@$(SERVERS) up $(ARGS)

servers-down:  ## stop them and remove their data
	@$(SERVERS) down

test: setup  ## all tests
	@$(PY) -m pytest -n auto --dist worksteal $(ARGS)

simulate: setup  ## seeded simulation on every core: make simulate SEEDS=50
	@$(PY) -m tests.simulation --seeds $(SEEDS) --jobs 0 $(ARGS)

walks: setup  ## one commitment at a time through decide alone: make walks WALKS=10000
	@$(PY) -m tests.simulation.walks --walks $(WALKS) --jobs 0 $(ARGS)

mutants: setup  ## breakages of the engine, each hunted until seen: make mutants ARGS="--seeds 40"
	@$(PY) -m tests.simulation.mutants $(ARGS)

chaos: setup  ## real processes killed, books compared: make chaos ARGS="--shape kafka --kills 40"
	@$(PY) -m chaos $(ARGS)

lint: setup  ## rules and form
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@$(PY) -m tests.tidy

types: setup  ## the type checker: strict on domain, sagas and the SDK
	@.venv/bin/basedpyright

imports: setup  ## who may import whom
	@.venv/bin/lint-imports

check: lint types imports test  ## what every change must pass

bench: setup  ## measurements into benchmarks/out/latest.json
	@$(PY) -m benchmarks $(ARGS)

# Traced, a test takes up to five times as long: its limit is not that of `make test`.
coverage: setup  ## branches of domain and sagas that the fast tiers take: at least 95 %
	@.venv/bin/coverage erase
	@.venv/bin/coverage run -m pytest -p tools.traced -q -n 2 --timeout 1800 $(CORE) $(ARGS)
	@.venv/bin/coverage combine -q
	@.venv/bin/coverage report
	@$(PY) -m tools.branches

mutation: setup  ## small breakages of decide and the folds: make mutation ARGS="--sample 200"
	@$(PY) -m tools.mutation $(ARGS)

lock:  ## resolve requirements.lock and requirements-sdk.lock (ARGS=--upgrade for newest)
	@PYTHON="$(PYTHON)" tools/lock $(ARGS)

clean: servers-down  ## environments, caches and what runs left behind
	@rm -rf .venv .venv-user .venv-tools .demo .dev .loans dist sdk/dist build htmlcov \
		.pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* .mutation.json
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
