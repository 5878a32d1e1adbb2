# Everything here sets itself up in folders of its own, from pinned packages; it needs Python 3.11 or newer and make.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test fuzz lint lint-pages format operators test-lowest build clean

demo: .venv-demo/ready
	.venv-demo/bin/whylight demo

test: lint
	$(BIN)/python -m pytest -q -n 2

# damaged and hostile files for a minute: see fuzz/README.md
fuzz: .venv/ready
	$(BIN)/python fuzz/run.py --minutes 1

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/python scripts/make_operators.py --check
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory lint-pages; else echo 'no npm: the pages are not checked'; fi

# the types of the pages' scripts, which their comments state
lint-pages: node_modules/.package-lock.json
	node_modules/.bin/tsc

node_modules/.package-lock.json: package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

operators: .venv/ready
	$(BIN)/python scripts/make_operators.py

test-lowest: .venv-lowest/ready
	.venv-lowest/bin/python -m pytest -q -n 2

build: .venv-build/ready
	rm -rf dist
	.venv-build/bin/python -m build --no-isolation
	.venv-build/bin/python -m twine check --strict dist/*

# what a user needs
.venv-demo/ready: requirements.txt pyproject.toml
	$(call environment,.venv-demo)
	.venv-demo/bin/python -m pip install --quiet --requirement requirements.txt
	.venv-demo/bin/python -m pip install --quiet --no-deps --editable .
	touch $@

# what the tests need
.venv/ready: requirements-dev.txt requirements.txt pyproject.toml
	$(call environment,.venv)
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# the lowest versions that pyproject.toml names
.venv-lowest/ready: scripts/lowest.py pyproject.toml requirements-dev.txt requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 13) and "the lowest versions need Python 3.11 or 3.12: make test-lowest PYTHON=python3.11")'
	$(call environment,.venv-lowest)
	$(PYTHON) scripts/lowest.py > .venv-lowest/requirements.txt
	.venv-lowest/bin/python -m pip install --quiet --requirement .venv-lowest/requirements.txt
	.venv-lowest/bin/python -m pip install --quiet --no-deps --editable .
	touch $@

.venv-build/ready: requirements-build.txt
	$(call environment,.venv-build)
	.venv-build/bin/python -m pip install --quiet --requirement requirements-build.txt
	touch $@

define environment
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "whylight needs Python 3.11 or newer")'
	rm -rf $(1)
	$(PYTHON) -m venv $(1)
endef

clean:
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache dist
