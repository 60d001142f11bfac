# Tailrace: the verbs. `make` prints them. PYTHON=/path/to/python3 chooses the interpreter.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
PINS := requirements/dev.txt
# A stamp names what it was made from, so that a stale, moved or half-made environment never counts.
fingerprint = $(shell { cat $(1); echo '$(CURDIR)'; } | cksum | cut -d ' ' -f 1)
PACKAGES := $(VENV)/packages-$(call fingerprint,$(PINS))
PROJECT := $(VENV)/project-$(call fingerprint,$(PINS) pyproject.toml)
NATIVE := $(VENV)/native-$(call fingerprint,requirements/zig.txt $(wildcard layers/tailrace/native/*.[ch]))
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export SAM_CLI_TELEMETRY := 0

.PHONY: help demo test test-engines soak bench failures lint build setup lock clean

help: ## print these verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: setup ## the main job, end to end, on this machine
	@$(BIN)/tailrace demo
test: lint ## lint, then every test: on OpenSearch 3.7.0, and a chosen part on 2.19.4
	@$(BIN)/python -m pytest && TAILRACE_ENGINE=2.19.4 $(BIN)/python -m pytest -m both_engines
test-engines: setup ## every test that asks an engine, on 3.7.0 and on 2.19.4
	@for v in 3.7.0 2.19.4; do TAILRACE_ENGINE=$$v $(BIN)/python -m pytest -m slow || exit 1; done
soak: setup ## 10,000 random histories, then 1,000 schedules of faults (ARGS="--seed N")
	@for each in model chaos; do PYTHONPATH=tests $(BIN)/python -m $$each.soak $(ARGS) || exit 1; done
bench: setup ## print the benchmarks (ARGS="SECTION… --write")
	@PYTHONPATH=tests $(BIN)/python -m benchmarks $(ARGS)
failures: setup ## which known failures are covered by which tests
	@$(BIN)/python tests/failures_report.py
lint: setup ## ruff and strict mypy
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
build: setup ## the deployable artefact, in .aws-sam/build
	@MAKEFLAGS= PYTHON=$(CURDIR)/$(BIN)/python $(BIN)/python -m tailrace_local.toolenvs sam -- sam build

setup: $(NATIVE); @: ## make .venv; every other verb does it first
lock: ## write the pinned and hashed requirement files again (needs uv)
	@$(LOCK) layers/tailrace/requirements.in -o layers/tailrace/requirements.txt
	@for name in contestants dev sam zig; do $(LOCK) requirements/$$name.in -o requirements/$$name.txt || exit 1; done
clean: ## remove what the verbs made, downloads included
	@rm -rf $(VENV) layers/tailrace/tailrace/_native.abi3.so .aws-sam .tailrace .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(PROJECT): $(PACKAGES) pyproject.toml
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable . && touch $@

$(NATIVE): $(PROJECT)
	@$(BIN)/python -m tailrace_local.accelerator layers/tailrace/native layers/tailrace/tailrace native && touch $@

$(PACKAGES): $(if $(realpath $(BIN)/python),,lost)
	@sh requirements/make_environment.sh "$(PYTHON)" $(VENV) $(PINS) && touch $@

lost: # the interpreter that .venv was made with
