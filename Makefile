# `make quickstart` and `make test`; both make `.venv` first. `make test` is for
# each edit; `make test-all` adds the thorough tests.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
TEST := $(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: quickstart test test-all test-thorough test-versions lint docs figures \
	notebooks package

quickstart: $(INSTALLED)
	$(VENV)/bin/kprune train --config=quickstart --workdir=runs/quickstart

test: $(INSTALLED)
	$(TEST)

test-all: $(INSTALLED)
	$(TEST) -m "not slow"

test-thorough: $(INSTALLED)
	$(TEST) -m "thorough and not slow"

test-versions: $(INSTALLED)
	$(RUN) tools/test_versions.py

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

figures: $(VENV)/.plots
	$(RUN) tools/figures.py

# Runs the tutorials whose code has changed, and stores what they print.
notebooks: $(VENV)/.docs $(VENV)/.plots $(VENV)/.litert $(VENV)/.hub \
		$(VENV)/.results
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(RUN) tools/notebooks.py

package: $(VENV)/.package
	rm -rf dist
	$(RUN) -m build
	$(VENV)/bin/twine check --strict dist/*

# The environment of an extra.
$(VENV)/.docs $(VENV)/.plots $(VENV)/.package $(VENV)/.litert $(VENV)/.hub \
		$(VENV)/.results: $(INSTALLED)
	$(RUN) -m pip install --quiet -e ".[$(subst .,,$(notdir $@))]"
	touch $@

$(INSTALLED): setup.py
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'kprune needs Python 3.11 or later: make PYTHON=/path/to/python')"
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet -e ".[test]"
	touch $@
