# Everything a newcomer needs, on a machine with python3 and make: `make demo` and `make test`.

PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=
TIMES  ?= 20
# Most of the suite waits for processes, so there are more of its own than processors. In order: files
# of a few long tests, as in tests/acceptance, are to be begun first.
PARALLEL ?= --numprocesses 3 --dist loadfile --no-loadscope-reorder
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv test fuzz check audit format demo example bench screenshots clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(READY)  ## Make the environment in .venv, with the versions of constraints.txt

test: $(READY)  ## Run all tests; ARGS="tests/db -k pool" narrows them down
	$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),$(PARALLEL))

fuzz: $(READY)  ## Make up requests and configurations for long; TIMES=100 for longer
	SIGNOFF_FUZZ=$(TIMES) $(BIN)/python -m pytest tests/fuzz --timeout 0 $(ARGS)

check: $(READY)  ## Check format, lint, types, import contracts, and what security asks for
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive src --exclude src/signoff/db
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive src/signoff/db --skip B608
	$(BIN)/python -m pip check

# By an environment of its own, since it asks for more than it checks.
audit: $(READY)  ## Ask a database of known holes about all that constraints.txt pins; needs the internet
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	build/audit/bin/pip-audit --no-deps --disable-pip --requirement constraints.txt

format: $(READY)  ## Format the code and mend what can be mended by itself
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

demo: $(READY)  ## Start everything with example threads waiting, and say what to try
	$(BIN)/python -m examples.demo

example: $(READY)  ## Serve one of examples/: make example NAME=document_approval
	@test -f "examples/$(NAME)/README.md" || { \
		echo "NAME is one of:" $(patsubst examples/%/README.md,%,$(wildcard examples/*/README.md)) >&2; exit 2; }
	cd "examples/$(NAME)" && "$(abspath $(BIN))/python" $(if $(wildcard examples/$(NAME)/main.py),main.py,-m signoff.cli dev)

bench: $(READY)  ## Measure Signoff against plain LangGraph; see bench/README.md
	$(BIN)/python -m bench $(ARGS)

screenshots: $(READY)  ## Take the pictures of the inbox that stand in the README, with Chromium
	$(BIN)/python -m docs.screenshots

clean:  ## Remove the environment, caches and build results; .signoff (your data) stays
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Made again whenever the requirements change; an environment whose Python is gone is made anew.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Signoff needs Python 3.11 or newer; '$(PYTHON)' is older or missing." >&2; \
		echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "'$(PYTHON)' cannot make virtual environments: its venv or ensurepip module is missing." >&2; \
		echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[dev,examples,otel]'
	@touch $@
