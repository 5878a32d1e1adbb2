# Everything here sets itself up: .venv has what the tests need, .venv-demo what a user needs, .venv-lowest the lowest
# versions that pyproject.toml allows. It needs Python 3.11 or newer and make.

PYTHON ?= python3
BIN := .venv/bin
DEMO := .venv-demo/bin
LOWEST := .venv-lowest/bin

.PHONY: demo test test-lowest lint format operators build clean

demo: .venv-demo/ready
	$(DEMO)/whylight demo

test: lint
	$(BIN)/python -m pytest -q -n 2

test-lowest: .venv-lowest/ready
	$(LOWEST)/python -m pytest -q -n 2

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

build: .venv/ready
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python -m pytest -q tests/test_packaging.py

.venv/ready: requirements.txt requirements-dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "whylight needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.venv-demo/ready: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "whylight needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv-demo
	$(DEMO)/python -m pip install --quiet --requirement requirements.txt
	$(DEMO)/python -m pip install --quiet --no-deps --editable .
	touch $@

# The lowest versions were built for the lowest Python: PYTHON=python3.11 where python3 is newer than 3.12.
.venv-lowest/ready: scripts/lowest.py requirements-dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13) and "the lowest versions need Python 3.11 or 3.12: make test-lowest PYTHON=python3.11")'
	rm -rf .venv-lowest
	$(PYTHON) -m venv .venv-lowest
	$(PYTHON) scripts/lowest.py > .venv-lowest/requirements.txt
	$(LOWEST)/python -m pip install --quiet --requirement .venv-lowest/requirements.txt
	$(LOWEST)/python -m pip install --quiet --no-deps --editable .
	touch $@

clean:
	rm -rf .venv .venv-demo .venv-lowest .mypy_cache .ruff_cache .pytest_cache dist
