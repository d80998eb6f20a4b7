# Every target sets up what it needs; PYTHON may name another interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ATTACK ?= --jobs 2
CORES ?= --numprocesses auto --dist worksteal
unexport PYTHONDONTWRITEBYTECODE # images set it, and each of the processes that tests start would compile what it imports

.PHONY: demo test test-all lint check attack mutants circuits bench docs clean

demo: $(VENV)/ready
	$(BIN)/distill run quote_closing --out out/quote_closing

test: $(VENV)/ready
	$(BIN)/pytest -m "not slow" $(CORES)

test-all: $(VENV)/ready
	$(BIN)/pytest $(CORES)

lint: $(VENV)/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test

attack: $(VENV)/ready
	$(BIN)/python tests/attack $(ATTACK)

mutants: $(VENV)/ready
	$(BIN)/python tests/attack --mutants

circuits: $(VENV)/ready
	$(BIN)/python -m tasks.training

bench: $(VENV)/ready
	$(BIN)/python -m benchmarks --out out/bench

docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) out build *.egg-info

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

$(VENV)/docs: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	touch $@
