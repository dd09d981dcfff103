# Targets for development: `make help` lists them. ARGS="..." is passed to the command of a target.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help serve demo test test-extended check check-types check-text bench bench-ci bench-cluster bench-encodings bench-generator bench-integrations bench-tap bench-terminal bench-widget soak soak-cluster screenshots simulate system compiled-tests

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(VENV)/.installed ## start the server: SQLite, development mode, port 3000
	@exec $(BIN)/chatws serve $(ARGS)

demo: $(VENV)/.installed ## chat as customer and agent side by side, on a temporary server
	@exec $(BIN)/chatws demo $(ARGS)

test: system check compiled-tests ## install the programs that tests need, then run every check and the tests
	@exec .ci/run-tests $(BIN)/python $(ARGS)

test-extended: system $(VENV)/.installed-dev ## run the tests that are too long for every change: further broken servers, capacity searches
	@exec $(BIN)/python -m pytest -m extended $(ARGS)

check: check-types check-text ## style, spelling, names and wording, types, import layers, generated pages

# The longest check; it runs beside the others and the compilation of the tests if make may run two jobs.
check-types: $(VENV)/.installed-dev
	$(BIN)/mypy

check-text: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/python -m tools.check_tree
	$(BIN)/lint-imports
	$(BIN)/python -m tools.reference --check
	$(BIN)/python -m tools.typescript --check

bench: $(VENV)/.installed-dev ## compare chatws with other Socket.IO servers (OUT=DIR keeps engine.json, ARGS=--quick)
	@exec $(BIN)/python -m benchmarks.engine $(if $(OUT),--out "$(OUT)") $(ARGS)

bench-generator: $(VENV)/.installed-dev ## compare the load test with other load generators (OUT=DIR keeps generator.json, ARGS=--quick)
	@exec $(BIN)/python -m benchmarks.generator $(if $(OUT),--out "$(OUT)") $(ARGS)

bench-cluster: $(VENV)/.installed-dev ## compare one server with three on PostgreSQL and Redis (OUT=DIR keeps cluster.json, ARGS=--quick)
	@exec $(BIN)/python -m benchmarks.cluster $(if $(OUT),--out "$(OUT)") $(ARGS)

bench-tap: $(VENV)/.installed-dev ## measure the delay that chatws tap adds, 4 minutes (OUT=DIR keeps tap.json, ARGS=--quick)
	@exec $(BIN)/python -m benchmarks.tap $(if $(OUT),--out "$(OUT)") $(ARGS)

bench-terminal: $(VENV)/.installed-dev ## measure the terminals: long conversations, start, memory (OUT=DIR keeps terminal.json)
	@exec $(BIN)/python -m benchmarks.terminal $(if $(OUT),--out "$(OUT)") $(ARGS)

bench-widget: $(VENV)/.installed-dev ## measure the opening of the widget in Chromium, on an idle machine (OUT=DIR keeps widget.json)
	@exec $(BIN)/python -m benchmarks.widget $(if $(OUT),--out "$(OUT)") $(ARGS)

bench-encodings: $(VENV)/.installed-dev ## measure JSON, MessagePack, compression and batches on chat traffic (OUT=DIR keeps encodings.json)
	@exec $(BIN)/python -m benchmarks.encodings $(if $(OUT),--out "$(OUT)") $(ARGS)

bench-integrations: $(VENV)/.installed-dev ## cost of a message with a webhook and with recovery, 4 minutes (OUT=DIR keeps integrations.json, ARGS=--quick)
	@exec $(BIN)/python -m benchmarks.integrations $(if $(OUT),--out "$(OUT)") $(ARGS)

soak: $(VENV)/.installed-dev ## measure floods, memory and churn, 20 minutes (OUT=DIR keeps soak.json, ARGS="--quick rounds" runs one)
	@exec $(BIN)/python -m benchmarks.soak $(if $(OUT),--out "$(OUT)") $(ARGS)

soak-cluster: $(VENV)/.installed-dev ## break two servers and all around them at random, 20 rounds, 10 minutes (ARGS="--seeds 7")
	@exec $(BIN)/python -m benchmarks.faults $(if $(OUT),--out "$(OUT)") $(ARGS)

simulate: $(VENV)/.installed-dev ## run 1,000 simulations with random faults on a virtual clock, a minute (ARGS="--seed 5000")
	@exec $(BIN)/chatws simulate --seeds 1000 $(ARGS)

bench-ci: $(VENV)/.installed-dev ## load test with thresholds, under 4 minutes; the report is kept in OUT (default: loadtest-report)
	@exec $(BIN)/chatws loadtest --report "$(or $(OUT),loadtest-report)" $(ARGS)

screenshots: system $(VENV)/.installed-dev ## take screenshots of all pages into build/screenshots, and the README's images (ARGS=terminal, report or pages)
	@exec $(BIN)/python -m tools.screenshots $(ARGS)

system:
	@.ci/system-packages

# In a fresh clone, each of the processes that run the tests would compile the tests and half of the installed modules,
# and compute Hypothesis's tables of characters.
compiled-tests: $(VENV)/.installed-dev
	@$(BIN)/python -W ignore -c 'from hypothesis import strategies; strategies.text().example()'
	@env --unset=PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --collect-only --quiet >/dev/null 2>&1 || true

# Inputs of the build, besides the Python files, which an editable install reads in place.
BUNDLED := $(wildcard chatws/web/core/*.js chatws/web/ui/*.js chatws/web/ui/*.css chatws/web/widget/*)
BUILT_FROM := pyproject.toml hatch_build.py chatws/web/bundle.cjs $(BUNDLED) $(wildcard chatws/web/admin/src/*/*.ts)

# Stamp files: while they are newer than the inputs, a target starts without installing again.
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
