# Set-up is one stamp: it runs again only when the dependencies or the dbt project change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
PEER := .venv-qlib
PEER_STAMP := $(PEER)/.ready
DBT_INPUTS := $(shell find dbt -name target -prune -o -name logs -prune -o -type f -print 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help setup demo ui test test-all bench-data bench-features bench-qlib bench-ledger bench-orders bench-audit faults mutation lint types imports fmt check clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(STAMP)  ## make .venv and install everything; nothing to do when nothing changed

$(STAMP): pyproject.toml constraints.txt scripts/prepare_dbt.py $(DBT_INPUTS)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python scripts/prepare_dbt.py
	@touch $(STAMP)

demo: $(STAMP)  ## both markets from raw bars to reconciled positions, no network, no keys
	$(BIN)/tradegraph demo

ui: $(STAMP)  ## Dagster on the demo: http://127.0.0.1:3000
	$(BIN)/tradegraph ui

test: $(STAMP)  ## the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not network and not gpu"

test-all: $(STAMP)  ## the tests and the slow ones
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not network and not gpu"

bench-data: $(STAMP)  ## raw bars to validated bars: 5,000 names, ten years
	$(BIN)/python -m benchmarks.data_path

$(PEER_STAMP): benchmarks/requirements-qlib.txt
	@test -x $(PEER)/bin/python || $(PYTHON) -m venv $(PEER)
	$(PEER)/bin/python -m pip install --quiet --requirement benchmarks/requirements-qlib.txt
	@touch $(PEER_STAMP)

bench-features: $(STAMP) $(PEER_STAMP)  ## bars to 158 features: 5,000 names, ten years, beside qlib
	$(BIN)/python -m benchmarks.features --peer $(PEER)/bin/python

bench-qlib: $(STAMP) $(PEER_STAMP)  ## our 158 features equal qlib's, cell by cell
	$(BIN)/python -m benchmarks.qlib_peer --python $(PEER)/bin/python

SEEDS ?= 0:192
LEDGER ?= sqlite
faults: $(STAMP)  ## every fault in every crash window: processes are killed, SEEDS=first:last LEDGER=postgres
	$(BIN)/python -m tests.faults --seeds $(SEEDS) --ledger $(LEDGER)

bench-orders: $(STAMP)  ## 5,000 orders through gate, ledger and a local Alpaca
	$(BIN)/python -m benchmarks.orders_load

bench-audit: $(STAMP)  ## a chain of a million entries, verified
	$(BIN)/python -m benchmarks.audit_chain

bench-ledger: $(STAMP)  ## gates and ledger, on SQLite and on PostgreSQL
	$(BIN)/python -m benchmarks.ledger

mutation: $(STAMP)  ## tests of the order machine and the gates against mutants of them; hours, or --sample N
	$(BIN)/python -m benchmarks.mutation

lint: $(STAMP)  ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## types
	$(BIN)/mypy

imports: $(STAMP)  ## architecture rules
	$(BIN)/lint-imports

fmt: $(STAMP)  ## format and fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: lint types imports test  ## what CI runs

clean:  ## forget the demo's data
	rm -rf .tradegraph
