# The two commands of the README are `make demo` and `make test`; both install into .venv first, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help install demo gallery test test-quick format lint types docs benchmark check clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## install marey and the tools for developing it into .venv

# hatchling comes first and from the constraints, so that building the package fetches nothing of its own choice.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "marey needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "Python cannot make environments here; install that part with: sudo apt-get install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing marey into $(VENV) (a minute or two, once)"
	@$(PIP_INSTALL) hatchling
	@$(PIP_INSTALL) --no-build-isolation -e '.[dev,docs]'
	@touch $@

demo: $(INSTALLED) ## show the network that ships with marey as web pages, in demo/; less than four minutes
	@$(BIN)/marey demo --out demo

gallery: $(INSTALLED) ## the same of all classes, fused units, layers and questions, in gallery/; hours, and it can be stopped
	@$(BIN)/marey demo --full --out gallery

# The tests of a file stay in one process, so that what they share is made once. Each of WORKERS processes computes with
# one thread. A thread that waits for another sleeps soon, as on marey's command line: else tests take many times as long
# beside another busy process.
WORKERS ?= 2
test test-quick: export OMP_NUM_THREADS = 1
test test-quick: export GOMP_SPINCOUNT ?= 10000
test: $(INSTALLED) ## run the tests: tests/, the doctests of src/, the examples of README.md and docs/
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile

test-quick: $(INSTALLED) ## run the tests that take less than a second each, in less than a minute
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile -m 'not slow'

format: $(INSTALLED) ## lay the code out, and mend what lint can mend
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

lint: $(INSTALLED) ## check the layout and the style of the code
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: $(INSTALLED) ## check the types of src/
	@$(BIN)/mypy

docs: $(INSTALLED) ## build the documentation, with the API from docstrings, into build/docs; fails where a link is broken
	@$(BIN)/python docs/generated.py
	@$(BIN)/python docs/build_site.py

benchmark: $(INSTALLED) ## time a step of maximization and the flow methods beside their peers
	@$(BIN)/python benchmarks/speed.py
	@$(BIN)/python benchmarks/flow.py

check: lint types test docs ## all that CI asks for: format, lint, types, tests, examples, documentation

clean: ## remove .venv, caches and what demo and builds have left
	@rm -rf $(VENV) build dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +
