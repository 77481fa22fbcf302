# `make quickstart` and `make test`; both make `.venv` first.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed

.PHONY: quickstart test test-versions lint

quickstart: $(INSTALLED)
	$(VENV)/bin/kprune train --config=quickstart --workdir=runs/quickstart

test: $(INSTALLED)
	$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-versions: $(INSTALLED)
	$(RUN) tools/test_versions.py

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

$(INSTALLED): setup.py
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'kprune needs Python 3.11 or later: make PYTHON=/path/to/python')"
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet -e ".[test]"
	touch $@
