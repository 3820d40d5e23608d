# Each target does its own set-up in .venv; all it needs is Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: report test lab bench filter

report: .venv/base
	$(BIN)/python -m kdlib report

test: .venv/test
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder

lab: .venv/lab filter
	$(BIN)/jupyter lab notebooks --FileContentsManager.post_save_hook=kdlib.report.saved.refresh

# What JupyterLab writes into a notebook (outputs, counts, the kernel's version) reaches no commit and no `git status`.
# Not required, and nothing but `cat` without .venv: git must work all the same.
filter:
	@git config --local filter.nbstripout.required false && git config --local filter.nbstripout.clean \
		'if [ -x $(BIN)/nbstripout ]; then $(BIN)/nbstripout --keep-id --extra-keys metadata.language_info; else cat; fi' \
		|| true

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
	@touch $@
