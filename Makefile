# `make help` lists the targets. Everything needs python3 (3.11 or newer, with venv), git and make; nothing else.

SHELL := /bin/sh
BIN := .venv/bin
SEEDS ?= 100
KILLS ?= 5
SECONDS ?= 15
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup up test check format bench services chaos chaos-postgres outage-postgres simulate record lock

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

setup: ## Make .venv with the project and its tools, hash-checked; quick when nothing changed
	@sh scripts/setup.sh

up: setup ## Start the whole system in one process (ARGS="..." are passed on)
	@$(BIN)/odd-dashboard up $(ARGS)

test: setup ## Run the tests (ARGS="-k name" narrows them)
	@$(BIN)/python -m pytest -n 2 $(ARGS)

check: setup ## Check format, lint, types and who imports whom
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports --no-cache

format: setup ## Format the code and apply the safe fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## Measure, beside a peer in the same run (ARGS="http" runs one scenario; about three minutes)
	@$(BIN)/python -m benchmarks $(ARGS)

services: ## Install the servers that the tests start for themselves: PostgreSQL, PgBouncer (needs root; starts nothing)
	@sh scripts/services.sh

chaos: setup ## Kill the running system again and again and count what was lost (KILLS=5)
	@KILLS=$(KILLS) $(BIN)/python -m tests.chaos $(ARGS)

chaos-postgres: setup ## The example on PostgreSQL, in peace and while everything is killed (ARGS="--kills 10 --stops 10 --cuts 100")
	@$(BIN)/python -m tests.chaos_postgres $(ARGS)

outage-postgres: setup ## Take PostgreSQL away under load, twice, and print how long what takes (SECONDS=15)
	@$(BIN)/python -m tests.chaos_postgres.outage --seconds $(SECONDS) $(ARGS)

simulate: setup ## Run seeded simulations with faults (SEEDS=100, or SEED=17 for one of them)
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

record: setup ## Run the demo in a terminal and write docs/demo.svg, the picture in the README
	@$(BIN)/python -m scripts.record_demo docs/demo.svg odd-dashboard demo

lock: setup ## Write requirements/*.lock anew from pyproject.toml (UPGRADE=1: newest versions)
	@UPGRADE=$(UPGRADE) sh scripts/lock.sh
