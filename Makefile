# Every target does its own set-up; all work from a fresh clone, with or without `uv` on the machine.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
UV := $(or $(shell command -v uv),$(BIN)/uv)
READY := $(VENV)/.ready
AT_ONCE := --no-loadscope-reorder -n
export UV_PYTHON_DOWNLOADS := never

.PHONY: help setup run test check fault bench format machine

help: ## show this
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## make .venv with everything in it

$(READY): pyproject.toml uv.lock
	@test -x $(BIN)/python || python3 -m venv $(VENV)
	@test -x $(UV) || $(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@test -x $(UV) || $(BIN)/python -m pip install --quiet uv
	@$(UV) sync --quiet --frozen --inexact --all-extras
	@touch $@

run: setup ## the whole stack on this machine, with sample conversations
	@$(BIN)/threadline dev --sample

format: setup
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

check: setup ## lint, types, house rules, unit tests, 300 simulated schedules (2 minutes)
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/pytest -q $(AT_ONCE) 2 tests/tidy tests/unit tests/simulation

machine: setup
	@tests/install_packages
	@$(BIN)/python -m tests.apache_kafka.prepare || echo "going on without Apache Kafka"

test: check machine ## everything a release must pass (19 minutes)
	@$(BIN)/pytest -q $(AT_ONCE) 3 --durations=10 tests/deploy tests/integration tests/contract tests/browser

fault: machine ## long, seeded fault suites: make fault SEED=1
	@$(BIN)/pytest -q tests/simulation tests/fault --seed $(or $(SEED),1) --schedules 10000

bench: setup ## measure, side by side
	@$(BIN)/threadline bench
