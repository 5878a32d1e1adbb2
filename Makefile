# Everything here sets itself up in .venv, from pinned packages; it needs Python 3.11 or newer and make.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint format operators clean

demo: .venv/ready
	$(BIN)/whylight demo

test: lint
	$(BIN)/python -m pytest -q -n 2

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/python scripts/make_operators.py --check

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

operators: .venv/ready
	$(BIN)/python scripts/make_operators.py

.venv/ready: requirements-dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "whylight needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
