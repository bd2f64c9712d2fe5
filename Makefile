# Thin: one line per tool; the settings live in setup.cfg, pyproject.toml and .importlinter.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_FLAGS ?=
PROTO_OUT ?= proto
PROTOS := $(sort $(wildcard proto/psetledger/v1/*.proto))

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-long check format format-check lint types imports packages proto proto-check transcripts simulate bench clean distclean

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do printf '%-14s %s\n' "$$name" "$$text"; done

venv: $(STAMP) ## the virtual environment with everything installed; repeated only when setup.cfg changed

# The first Python that really starts and is 3.11 or newer (a shim on PATH may not).
$(STAMP): setup.cfg
	@test -x $(BIN)/python || { \
	  for python in $(PYTHON) python3.11 python3.12 python3.13 python3 python; do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; \
	  done; \
	  test -n "$$python" || { echo 'No Python 3.11 or newer found: install one, or name it: make PYTHON=/path/to/python3' >&2; exit 1; }; \
	  echo "creating $(VENV) with $$python"; \
	  "$$python" -m venv $(VENV) || { rm -rf $(VENV); echo 'The venv module failed: on Debian and Ubuntu install python3-venv.' >&2; exit 1; }; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[node,dev]'
	@touch $@

demo: venv ## the main job on a throw-away network: accredit, issue, verify, revoke
	$(BIN)/pset demo

test: venv ## every tier but the tests marked `long`
	$(BIN)/pytest -n 2 -m 'not long and not serial' $(PYTEST_FLAGS)
	$(BIN)/pytest -m 'serial and not long' $(PYTEST_FLAGS) || { test $$? -eq 5 && test -n '$(PYTEST_FLAGS)'; }

test-long: venv ## the tests that take minutes
	$(BIN)/pytest -m long $(PYTEST_FLAGS)

check: format-check lint types imports proto-check packages ## everything that needs no running: format, lint, types, contracts, stubs

format: venv ## rewrite in the one format
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

format-check: venv
	$(BIN)/ruff format --check

lint: venv
	$(BIN)/ruff check

types: venv
	$(BIN)/mypy
	$(BIN)/pyright

imports: venv
	PYTHONPATH=.:proto $(BIN)/lint-imports

packages: venv
	$(BIN)/pytest -q tests/packaging/test_packages_listed.py tests/unit/test_tidy.py tests/unit/test_purity.py

proto: venv ## regenerate the stubs in place
	@mkdir -p $(PROTO_OUT)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iproto --python_out=$(PROTO_OUT) --grpc_python_out=$(PROTO_OUT) --mypy_out=quiet:$(PROTO_OUT) --mypy_grpc_out=quiet:$(PROTO_OUT) $(PROTOS)

proto-check: venv ## the committed stubs equal their source
	$(BIN)/pytest -q tests/packaging/test_stubs_fresh.py

transcripts: venv ## the Raft core beside etcd's transcripts, file by file
	PYTHONPATH=.:proto $(BIN)/python -m tests.transcripts

SEEDS ?= 50
simulate: venv ## validators over simulated clocks, disks and network: make simulate SEEDS=1000
	PYTHONPATH=.:proto $(BIN)/python -m tests.simulation --seeds $(SEEDS)

bench: venv ## the workloads beside the machine's own limits; the report goes to build/benchmarks.json
	@mkdir -p build
	$(BIN)/python -m benchmarks run --output build/benchmarks.json

clean: ## remove what was built, keep the virtual environment
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## remove the virtual environment too
	rm -rf $(VENV)
