# Everything is made in .venv, from the pinned sets in requirements/; `make` alone says what there is.
.NOTPARALLEL:
.ONESHELL:
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.run-installed
DEV := $(VENV)/.dev-installed
MUTANTS := $(VENV)/.mutants-installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES = $(wildcard src tests benchmarks)
UV_VERSION := 0.13.9
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --only-binary :all: --generate-hashes --no-header

# What the tests use besides Python; each test that misses one is skipped and says so.
TEST_PACKAGES := xfsprogs btrfs-progs e2fsprogs acl attr zstd strace openssl util-linux mount tar \
	fuse3 libfuse3-3 libfaketime quota systemd

# On two cores at once; the tests of one file stay together.
SPREAD := --numprocesses 2 --dist loadfile

# Whether this user can mount loop devices. Where not, the tests that need it are skipped and their lines stay unrun.
CAN_MOUNT := [ "$$(id -u)" = 0 ] && losetup --find >/dev/null 2>&1

export PYTHON

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

demo: $(RUN) ## show what ullage does, on small disks made for it
	@$(BIN)/ullage demo

test: system-packages check ## check, then run the tests and hold the coverage
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(SPREAD)
	$(BIN)/coverage combine --quiet
	if $(CAN_MOUNT); then
		$(BIN)/coverage report --skip-covered --fail-under=90
	else
		$(BIN)/coverage report --skip-covered
		echo "no right to mount here: tests were skipped, so only model and policy are held to their coverage"
	fi
	$(BIN)/coverage report --include='src/ullage/model/*,src/ullage/policy/*' --show-missing --skip-covered --fail-under=100

test-long: system-packages $(DEV) $(MUTANTS) ## run the tests that take long
	@$(BIN)/pytest -m long --timeout=3600 --numprocesses 2 --dist loadgroup

mutants: system-packages $(DEV) $(MUTANTS) ## take each guard away, one at a time, and see a test fail; then mutate policy
	@$(BIN)/python -m tests.mutants $(GUARDS)
	$(BIN)/python -m tests.mutants.policy

check: $(DEV) ## look at the code without running it: format, lint, types, imports, dead code
	@$(BIN)/ruff format --quiet --check --diff $(SOURCES)
	$(BIN)/ruff check --quiet $(SOURCES)
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports --no-logo
	$(BIN)/vulture

bench: $(DEV) ## measure speed and memory
	@$(BIN)/python -m benchmarks

reference: $(RUN) ## write docs/reference from the code
	@$(BIN)/python scripts/reference.py

lock: $(VENV)/bin/python ## choose the newest versions for requirements/ anew
	@$(PIP) install --quiet uv==$(UV_VERSION)
	$(LOCK) --upgrade --group build pyproject.toml --output-file requirements/run.txt
	$(LOCK) --upgrade --group dev --constraint requirements/run.txt pyproject.toml --output-file requirements/dev.txt
	$(LOCK) --upgrade --group mutants --constraint requirements/dev.txt pyproject.toml --output-file requirements/mutants.txt

clean: ## remove what was made here, the environment too
	@rm -rf $(VENV) build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(SOURCES) -name __pycache__ -prune -exec rm -rf {} +

system-packages:
	@if [ "$$(id -u)" = 0 ]; then scripts/install-packages $(TEST_PACKAGES); fi

$(VENV)/bin/python:
	@scripts/make-venv $(VENV)

# The project goes in last and alone: its dependencies are pinned above, its build backend is among them.
$(VENV)/.%-installed: requirements/%.txt pyproject.toml Makefile | $(VENV)/bin/python
	@echo "installing requirements/$*.txt into $(VENV)"
	scripts/make-venv $(VENV)
	$(PIP) install --quiet --require-hashes --only-binary :all: --requirement requirements/$*.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q src || true  # an editable install compiles nothing, and commands must start quickly
	touch $@

.PHONY: help demo test test-long mutants check bench reference lock clean system-packages
