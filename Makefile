# Everything runs in $(VENV), made from requirements.lock by the first target that needs it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
DEMO ?= demo
N_WORKERS ?= 2
ARGS ?=
# Processes of the tests; a file of tests is one's whole. A process takes up to 2 GB.
TEST_PROCESSES ?= 2
UV_VERSION := 0.13.9
# The Python of `make test-python`.
PYTHON ?= python3.12

PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
READY := $(VENV)/.installed

export JAX_PLATFORMS ?= cpu
# Many processes import the same packages: let the first one keep their bytecode.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export UV_LINK_MODE ?= copy

.PHONY: help demo test test-slow test-all test-python test-slurm test-image lint format types parity test-parity fuzz bench bench-orchestration docs gallery ui-picture lock dist install clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 14

demo: $(READY)  ## make synthetic weather, run six receptors through it, draw the maps (DEMO=folder)
	@$(VENV)/bin/stilt demo "$(DEMO)" --n-workers $(N_WORKERS)

test: $(READY)  ## run the tests (ARGS="tests/receptors -q" for some of them)
	$(PY) -m pytest -n $(TEST_PROCESSES) --dist loadfile -m "not slow and not parity" $(ARGS)

test-slow: $(READY)  ## run the slow tests: killed workers, full disks, clusters
	$(PY) -m pytest -m "slow and not parity" $(ARGS)

test-all: $(READY)  ## run the slow tests too
	$(PY) -m pytest -m "not parity" $(ARGS)

test-slurm: $(READY)  ## run campaigns through a SLURM of this machine alone; installs it on Debian, as root
	@command -v slurmctld munged slurmdbd mariadbd > /dev/null || { apt-get update && \
	    apt-get install --yes --no-install-recommends slurm-wlm munge slurmdbd mariadb-server; }
	$(PY) -m pytest tests/slurm -m "slow or not slow" $(ARGS)

test-image: $(READY)  ## build the container image and use it, without a daemon; installs tools on Debian, as root
	@command -v buildah mmdebstrap > /dev/null || \
	    { apt-get update && apt-get install --yes --no-install-recommends buildah mmdebstrap; }
	$(PY) -m pytest tests/image -s -m "slow or not slow" $(ARGS)

# The test left out says that an environment is the lock's, which this one is not.
OTHER := build/venv-$(notdir $(PYTHON))
test-python: $(READY)  ## run the tests with PYTHON (python3.12) and the newest packages in the ranges of pyproject.toml
	$(PYTHON) -m venv --clear $(OTHER)
	$(UV) pip install --python $(OTHER)/bin/python --editable '.[dev,plots,dask]'
	$(OTHER)/bin/python -m pytest -m "not slow and not parity" \
	    --deselect tests/test_architecture.py::test_this_environment_comes_from_the_lock $(ARGS)

fuzz: $(READY)  ## damage a thousand copies of weather files and read them (ARGS="--copies 20000 --seed 7")
	$(PY) -m tests.fuzz_weather $(ARGS)

lint: $(READY)  ## check style and import directions
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports

format: $(READY)  ## rewrite the code in the house style
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

types: $(READY)  ## check types
	$(VENV)/bin/mypy

parity: $(READY)  ## compare with HYSPLIT and print the tables (ARGS=--help says how to run it beside)
	$(PY) -m benchmarks.parity $(ARGS)

test-parity: $(READY)  ## the tests that need reference runs of HYSPLIT or R-STILT
	$(PY) -m pytest -m parity $(ARGS)

bench: $(READY)  ## measure speed and memory, beside HYSPLIT if ARGS="--hysplit-python ..." says where
	$(PY) -m benchmarks $(ARGS)

bench-orchestration: $(READY)  ## what Prefect costs, and the coordinator's memory (some 20 minutes)
	$(PY) -m benchmarks.orchestration $(ARGS)

ui-picture: $(READY)  ## open Prefect's interface on a run in headless Chromium and take its picture
	$(PY) docs/ui_picture.py $(ARGS)

gallery: $(READY)  ## run the demo and draw the pictures of the gallery and of the report
	$(PY) docs/gallery.py $(ARGS)
	PYTHONPATH=. $(PY) docs/weather_pictures.py

docs: $(READY)  ## build the documentation into site/
	$(PY) docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet --config-file docs/mkdocs.yml --site-dir "$(CURDIR)/site"
	@echo "Documentation: $(CURDIR)/site/index.html"

# One version of a package for every Python (`fewest`), so that an environment from the lock computes
# the same everywhere: of JAX 0.10.2, the newest for Python 3.11. The ranges allow more: test-python.
lock: $(READY)  ## resolve pyproject.toml again, keeping versions (ARGS=--upgrade: the newest ones)
	$(UV) pip compile pyproject.toml --universal --python-version 3.11 --all-extras $(ARGS) \
	    --fork-strategy fewest \
	    --no-strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command "make lock" --quiet --output-file requirements.lock
	$(UV) pip compile pyproject.toml --universal --python-version 3.11 --group image \
	    --extra plots --extra dask --extra download --extra grib --extra zarr \
	    --fork-strategy fewest --constraint requirements.lock \
	    --no-strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command "make lock" --quiet --output-file deployments/requirements.lock

dist: $(READY)  ## build wheel and source archive into dist/
	rm -rf dist
	$(PY) -m hatchling build
	$(PY) -m zipfile --test dist/*.whl

install: $(READY)  ## only make the environment
	@echo "Environment: $(CURDIR)/$(VENV) (activate with: source $(VENV)/bin/activate)"

clean:  ## remove the environment, caches, the demo and built pages
	rm -rf "$(VENV)" "$(DEMO)" site build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

# A candidate is taken only if it runs: version managers install shims that do not.
$(PY):
	@for python in python3.11 python3.12 python3.13 python3; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "Making $(VENV) with $$($$python --version)"; \
	        exec $$python -m venv "$(VENV)"; \
	    fi; \
	done; \
	echo "No Python 3.11 or later was found: install one (with its venv module) and run make again." >&2; \
	exit 1

# uv installs in seconds what takes pip a minute and a half; without it pip does the same work.
$(READY): requirements.lock pyproject.toml | $(PY)
	@if [ -x $(UV) ] || $(PY) -m pip install --quiet "uv==$(UV_VERSION)"; then \
	    echo "Installing the packages of requirements.lock"; \
	    if $(UV) pip install --python $(PY) --require-hashes --requirements requirements.lock; then \
	        done=yes; \
	    fi; \
	fi; \
	if [ -z "$${done:-}" ]; then \
	    echo "Installing with pip instead (a minute or two)"; \
	    $(PY) -m pip install --no-deps --require-hashes --requirement requirements.lock; \
	fi
	@$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	@echo "Preparing the database that Prefect starts from"
	-@$(PY) -m flows.make_template
	@touch $@
