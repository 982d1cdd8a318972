# Set-up is one stamp: it runs again only when the dependencies or the dbt project change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
DBT_INPUTS := $(shell find dbt -name target -prune -o -name logs -prune -o -type f -print 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help setup demo ui test test-all bench-data lint types imports fmt check clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

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
