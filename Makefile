# `make demo` shows Pictor, `make test` proves it. Both set up everything they need.
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do $$p -c 'import sys; sys.exit(not (3,11) <= sys.version_info[:2] <= (3,12))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PROOFS := tests/proof $(addprefix tests/,farm/test_objects.py farm/engine/test_offline.py $(addprefix shared/,test_lives.py test_same_key.py test_spending.py))

.PHONY: help setup demo test test-slow chaos-quick chaos proof load check bench mutation format train-postcards clean
.DEFAULT_GOAL := help

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Pictor needs Python 3.11 or 3.12 on PATH (or: make PYTHON=/path/to/python3.11 ...)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

setup: $(READY)  ## a virtual environment with everything, pinned

demo: setup  ## the whole stack on this machine, with a page to type /imagine in
	@$(BIN)/pictor demo

check: setup  ## lint, format, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# Tests that play with whole farms and clocks have the machine to themselves.
WHOLE := tests/e2e tests/proof

test: check  ## check, then every test (offline, no GPU), most of them on two cores
	$(BIN)/pytest -n 2 --dist loadfile --max-worker-restart 0 $(addprefix --ignore ,$(WHOLE))
	$(BIN)/pytest $(WHOLE)
	$(BIN)/python -m tests.chaos --jobs 2000 --faults 40 --seed 15

chaos-quick: setup  ## two thousand jobs under forty faults (tests.chaos, docs/chaos.md); make test has it too
	$(BIN)/python -m tests.chaos --jobs 2000 --faults 40

chaos: setup  ## ten thousand jobs under two hundred faults, and two hundred kills of the trained model
	$(BIN)/python -m tests.chaos --jobs 10000 --faults 200 --visitors 200
	$(BIN)/python -m tests.chaos.resume --kills 200

proof: setup  ## one promise after the other, at full n, with what was measured (docs/proof.md)
	$(BIN)/pytest -m 'slow or not slow' -rP --show-capture=stdout $(PROOFS)

test-slow: setup  ## the long ones
	$(BIN)/pytest -m slow

load: setup  ## Discord under load: answers while the cores are busy, two hundred messages for ten minutes
	$(BIN)/pytest -m slow -rP --show-capture=stdout --timeout 1800 tests/load

bench: setup  ## ratios against named baselines, on this machine
	$(BIN)/python -m tests.bench

mutation: setup  ## take each guard out in turn and show the test that turns red (minutes)
	$(BIN)/python -m tests.mutation

format: setup  ## let ruff tidy up
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train-postcards: setup  ## train the small model again, with fixed seeds
	$(BIN)/python -m farm.postcards.train

clean:  ## remove what was built and what the demo stored
	rm -rf $(VENV) var build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
