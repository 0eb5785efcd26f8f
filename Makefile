# Every target makes the virtual environment itself where it is missing.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := headrace syncs scoring models connectors
READY := $(VENV)/.ready

.PHONY: demo test check bench lock services format docs clean

$(READY): constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q $(PACKAGES)
	touch $(READY)

demo: $(READY)           ## the whole chain on a generated shop, twice
	$(BIN)/headrace demo

test: $(READY)           ## all tests; servers that do not answer are named in the summary
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: $(READY)          ## lint, types, architecture, docs that cannot lie
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/headrace docs --check

docs: $(READY)           ## regenerate what is generated in the docs
	$(BIN)/headrace docs

bench: $(READY)          ## figures as ratios beside the bare work
	$(BIN)/python -m benchmarks

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(READY)           ## pin again: every version with its hashes, naming no index
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
	  --all-extras --group dev pyproject.toml --output-file constraints.txt .ci/build-requirements.in

services:                ## the servers that the integration tests talk to, from Debian's packages
	.ci/services

clean:
	rm -rf $(VENV) .headrace sync_configs/.headrace dist build
