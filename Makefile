# chatws. `make help` lists what there is; ARGS="..." is passed on to the command.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help serve demo test check bench bench-ci bench-cluster bench-terminal soak screenshots system

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(VENV)/.installed ## start the server: SQLite, development mode, port 3000
	@exec $(BIN)/chatws serve $(ARGS)

demo: $(VENV)/.installed ## be customer and agent side by side, with a server of its own
	@exec $(BIN)/chatws demo $(ARGS)

test: system check ## install what tests need, then run every check and every test
	@exec .ci/run-tests $(BIN)/python $(ARGS)

check: $(VENV)/.installed-dev ## style, spelling, types, import layers, generated pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.reference --check
	$(BIN)/python -m tools.typescript --check

bench: $(VENV)/.installed-dev ## compare server and load generator with others (OUT=DIR keeps the JSON, ARGS=--quick)
	@$(BIN)/python -m benchmarks.engine $(if $(OUT),--out "$(OUT)") $(ARGS)
	@exec $(BIN)/python -m benchmarks.generator $(if $(OUT),--out "$(OUT)") $(filter --quick,$(ARGS))

bench-cluster: $(VENV)/.installed-dev ## one server and three on PostgreSQL and Redis: CPU per message (OUT=DIR keeps cluster.json, ARGS=--quick)
	@exec $(BIN)/python -m benchmarks.cluster $(if $(OUT),--out "$(OUT)") $(ARGS)

bench-terminal: $(VENV)/.installed-dev ## measure the terminals: long conversations, first paint, memory; exit code 99 over a target
	@exec $(BIN)/python -m tests.support.terminal_bench

soak: $(VENV)/.installed-dev ## starve, drop and churn a server for a quarter of an hour (OUT=DIR keeps soak.json)
	@exec $(BIN)/python -m benchmarks.soak $(if $(OUT),--out "$(OUT)") $(ARGS)

bench-ci: $(VENV)/.installed-dev ## load test with targets, under 4 minutes; the report is kept in OUT (default: loadtest-report)
	@exec $(BIN)/chatws loadtest --report "$(or $(OUT),loadtest-report)" $(ARGS)

screenshots: system $(VENV)/.installed-dev ## take screenshots of all pages into build/screenshots, and the README's images (ARGS=terminal, report or pages)
	@exec $(BIN)/python -m tools.screenshots $(ARGS)

system:
	@.ci/system-packages

# What the package is built from beside the Python that an editable install reads in place.
BUILT_FROM := pyproject.toml hatch_build.py $(wildcard chatws/web/admin/src/*/*.ts)

# The stamps: a target that finds them newer than these starts at once.
$(VENV)/.installed: $(BUILT_FROM) | $(BIN)/python
	@echo "installing chatws into $(VENV)" >&2
	@$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: $(BUILT_FROM) | $(BIN)/python
	@echo "installing chatws and its development tools into $(VENV)" >&2
	@$(PIP_INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.installed

$(BIN)/python:
	@.ci/make-venv $(VENV)
