# Each target does its own set-up in .venv; all it needs is Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: report test lab bench

report: .venv/base
	$(BIN)/python -m kdlib report

test: .venv/test
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/python -m pytest

lab: .venv/lab
	$(BIN)/jupyter lab notebooks

bench: .venv/base
	$(BIN)/python -m kdlib bench

.venv/base: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "kdlib needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) -e .
	@touch $@

.venv/test: .venv/base
	$(PIP) -e ".[test]"
	@touch $@

.venv/lab: .venv/base
	$(PIP) -e ".[lab]"
	$(BIN)/nbstripout --install
	@touch $@
