# make run: a gateway with demo tables. make test: everything that is checked. What is fetched or built once lies in
# LAKEGATE_CACHE, outside the clone.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup run test test-clients check bench soak clean

DATA ?= data
LISTEN ?= 127.0.0.1:5439
HOME_CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/lakegate
export LAKEGATE_CACHE := $(or $(LAKEGATE_CACHE),$(if $(filter 0,$(shell id -u)),/var/cache/lakegate,$(HOME_CACHE)))
# Bytecode is kept whatever the caller's environment says: each of hundreds of processes would compile what it imports.
export PYTHONDONTWRITEBYTECODE :=
UV_FOLDER := $(LAKEGATE_CACHE)/uv
PYTHON := .venv/bin/python

export PATH := $(PATH):$(UV_FOLDER)/bin

help:
	@echo "make run     set up, then start a gateway with demo tables on $(LISTEN) (LISTEN=, DATA=)"
	@echo "make test    set up, then run every test but those that take minutes each"
	@echo "make test-clients  build and run the large clients, and write tests/drivers/REPORT.md"
	@echo "make check   format, lint, types and import contracts only"
	@echo "make bench   measure, and write benchmarks/results/"
	@echo "make soak    the long tests, a quarter of an hour of fuzzing each parser, and half an hour of killing each: processes, microVMs, a cluster"
	@echo "make setup   only set up; make clean removes what setup and tests left in the clone"

setup:
	@command -v uv >/dev/null || { python3 -m venv "$(UV_FOLDER)" && "$(UV_FOLDER)/bin/pip" install --quiet uv; } || \
		{ echo "uv is missing and could not be installed; install it with: python3 -m pip install uv" >&2; exit 1; }
	@uv sync --quiet --locked --inexact
	@$(PYTHON) native/build.py
	@$(PYTHON) -m compute.spark.setup

run: setup
	@exec .venv/bin/lakegate demo --data "$(DATA)" --listen "$(LISTEN)"

test: setup
	@$(PYTHON) -m tests.cluster.build >/dev/null
	@$(PYTHON) -m tests.objectstore.build >/dev/null
	@$(PYTHON) -m deploy.spark >/dev/null
	@$(PYTHON) -m pytest --numprocesses=2 --dist=loadscope --no-loadscope-reorder --junitxml=benchmarks/results/tests.xml

test-clients: setup
	@$(PYTHON) -m pytest -m clients tests/drivers

check: setup
	@$(PYTHON) -m pytest tests/test_source.py

bench: setup
	@$(PYTHON) -m benchmarks

soak: setup
	@$(PYTHON) -m tests.cluster.build >/dev/null
	@$(PYTHON) -m pytest -m soak -o faulthandler_timeout=7200
	@$(PYTHON) tests/properties/fuzz_pgwire.py --seconds 1800
	@$(PYTHON) tests/properties/fuzz_login.py --seconds 3600
	@$(PYTHON) tests/properties/fuzz_parameters.py --seconds 1800
	@$(PYTHON) tests/properties/fuzz_copy.py --seconds 2700
	@$(PYTHON) tests/properties/fuzz_channel.py --seconds 900
	@$(PYTHON) -m tests.chaos --seconds 1800
	@$(PYTHON) -m deploy.guest >/dev/null
	@$(PYTHON) -m tests.chaos --seconds 1800 --spawner qemu
	@$(PYTHON) -m tests.chaos --seconds 1800 --spawner kubernetes

clean:
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache native/target
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
